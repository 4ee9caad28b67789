import pytest
import torch

from harness.api import IncompatibleError
from harness.testing import contract
from harness_plugins.mil.abmil.plugin import ABMIL
from harness_plugins.mil.acmil.algorithm import loss, mask_most_attended, similarity
from harness_plugins.mil.acmil.plugin import ACMIL
from harness_plugins.subjects.bag_classifier.plugin import BagClassifier

test_contract = contract(
    ACMIL(), ACMIL(branches=1), ACMIL(masked=0), ACMIL(variant="mha", branches=2), ACMIL(variant="mha", masked=0)
)

VARIANTS = pytest.mark.parametrize("variant", ["ga", "mha"])


def head(**knobs):
    torch.manual_seed(0)
    return ACMIL(**knobs).head(16, 2)


def instances(count):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(1))


def test_one_branch_without_masking_is_abmil():
    theirs, ours = ABMIL().head(16, 2), ACMIL(branches=1, masked=0).head(16, 2).train()
    ours.load_state_dict(theirs.state_dict())
    bag, label = instances(30), torch.tensor([1])
    one, other = theirs(bag), ours(bag)

    torch.testing.assert_close(one[:2], other[:2], atol=1e-6, rtol=0)
    torch.testing.assert_close(ABMIL().loss(one, label), loss(other, label), atol=1e-6, rtol=0)


def test_they_train_to_the_same_network_bit_for_bit(tmp_path):
    from safetensors.torch import load_file

    from harness.api import Preparation

    toy = BagClassifier.toy()
    for method, folder in ((ABMIL(), tmp_path / "abmil"), (ACMIL(branches=1, masked=0), tmp_path / "acmil")):
        folder.mkdir()
        method.prepare(Preparation(toy.subject, 3, folder, {}, toy.training))
    one, other = (load_file(tmp_path / name / "0.safetensors") for name in ("abmil", "acmil"))

    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("count", "drop", "seen", "masked"), [(10, 0.6, 40, 6), (10, 0.65, 40, 6), (10, 0.6, 5, 3)])
def test_so_many_are_masked_and_they_are_among_the_most_attended(count, drop, seen, masked):
    logits = torch.randn(4, seen, generator=torch.Generator().manual_seed(2))
    attention = mask_most_attended(logits, count, drop).softmax(-1)

    assert (attention == 0).sum(-1).tolist() == [masked] * 4
    highest = logits.topk(min(count, seen), -1).indices
    assert all(
        set(row.nonzero()[:, 0].tolist()) <= set(top.tolist()) for row, top in zip(attention == 0, highest, strict=True)
    )
    torch.testing.assert_close(attention.sum(-1), torch.ones(4))


def test_branches_that_share_nothing_are_unlike_and_equal_ones_alike():
    assert similarity(torch.eye(3)) == 0
    assert similarity(torch.full((3, 5), 0.2)).item() == pytest.approx(1)
    assert similarity(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).item() == pytest.approx(0.5**0.5)


@VARIANTS
def test_answers_do_not_depend_on_the_order_and_are_always_the_same(variant):
    made, bag = head(variant=variant).eval(), instances(30)
    one, again, turned = made(bag), made(bag), made(bag.flip(0))

    assert torch.equal(one.logits, again.logits)
    torch.testing.assert_close(turned.logits, one.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned.attention.flip(0), one.attention, atol=1e-5, rtol=0)
    assert one.attention.sum().item() == pytest.approx(1)


@VARIANTS
def test_masking_acts_in_training_alone(variant):
    made, bag = head(variant=variant), instances(30)

    assert (made.train()(bag).parts[1] == 0).sum(-1).unique().tolist() == [6]
    assert (made.eval()(bag).parts[1] > 0).all()


def test_the_loss_has_three_parts_of_equal_weight():
    made, bag, label = head(branches=3).eval(), instances(12), torch.tensor([0])
    pooled = made(bag)
    branches, attention = pooled.parts
    each = -branches.log_softmax(1)[:, 0].mean()
    unlike = sum(torch.cosine_similarity(attention[i], attention[j], dim=0) for i, j in ((0, 1), (0, 2), (1, 2))) / 3

    wanted = -pooled.logits.log_softmax(0)[0] + each + unlike
    torch.testing.assert_close(loss(pooled, label), wanted, atol=1e-5, rtol=0)


def test_eight_heads_must_divide_the_width():
    with pytest.raises(IncompatibleError, match="8 heads, which must divide the width it pools, 100; set the last"):
        ACMIL(variant="mha").check({"width": 100})
    ACMIL(variant="mha").check({"width": 128})
