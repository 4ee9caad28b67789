import pytest
import torch
from torch.nn import functional as F

from harness.api import IncompatibleError, Preparation
from harness.testing import contract
from harness_plugins.distillation.nkd import training
from harness_plugins.distillation.nkd.algorithm import (
    kd,
    non_target,
    of_label,
    others,
    soft_target,
    target,
    zipf_labels,
)
from harness_plugins.distillation.nkd.plugin import KD, NKD, USKD
from harness_plugins.models.cifar_resnet.plugin import CifarResNet
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier

test_contract = contract(KD(), NKD(gamma=3.5, temperature=3.0), USKD(), USKD(ranking="code"))

DRAWS = torch.Generator().manual_seed(0)
S, T, W = (torch.randn(16, 10, generator=DRAWS, dtype=torch.float64) for _ in range(3))
Y = torch.randint(0, 10, (16,), generator=DRAWS)


def test_a_student_that_equals_its_teacher_is_not_moved_by_the_other_classes():
    s = S.clone().requires_grad_()
    for loss in (non_target(s, S, Y, 2.0), kd(s, S, 4.0)):
        (gradient,) = torch.autograd.grad(loss, s)
        assert gradient.abs().max() < 1e-12


def test_the_other_classes_do_not_feel_a_constant_or_the_targets_own_logit():
    before = non_target(S, T, Y, 1.0)
    moved = F.one_hot(Y, 10) * 7.0

    for s, t in ((S + 3, T), (S, T - 5), (S + moved, T), (S, T + moved)):
        assert non_target(s, t, Y, 1.0) == pytest.approx(before.item(), abs=1e-9)


def test_hinton_s_cross_entropy_splits_into_nkd_s_terms_with_a_weight_that_depends_on_the_teacher():
    """Sheet (d): −Σ q log p = −q_y log p_y − (1 − q_y)·Σ Q̂ log P̂ − (1 − q_y)·log(1 − p_y)."""
    p, q = S.softmax(1), T.softmax(1)
    whole = -(q * p.log()).sum(1)
    rest = 1 - of_label(q, Y)
    part = -(others(T, Y).softmax(1) * others(S, Y).log_softmax(1)).sum(1)
    split = -of_label(q, Y) * of_label(p, Y).log() + rest * part - rest * (1 - of_label(p, Y)).log()

    assert torch.allclose(whole, split)
    assert target(S, T, Y).item() == pytest.approx((-of_label(q, Y) * of_label(p, Y).log()).mean().item())
    assert non_target(S, T, Y, 1.0).item() == pytest.approx(part.mean().item())


def test_kd_is_zero_where_logits_differ_by_a_constant_only():
    assert kd(S, S + 2, 4.0).item() == pytest.approx(0.0, abs=1e-12)
    assert kd(S, T, 4.0) > 0.1


def test_uskd_s_soft_targets_average_to_the_label():
    assert soft_target(S, Y).mean().item() == pytest.approx(1.0)


@pytest.mark.parametrize("ranking", ["paper", "code"])
def test_uskd_s_labels_are_reciprocals_of_ranks_in_the_order_of_the_score(ranking):
    wanted = zipf_labels(S, W, Y, ranking)
    first, second = W.softmax(1), S.softmax(1) if ranking == "paper" else S.log_softmax(1)
    score = first / (1 - of_label(first, Y)[:, None] + 1e-6) + second / (1 - of_label(second, Y)[:, None] + 1e-6)

    assert torch.allclose(wanted.sum(1), torch.ones(16, dtype=torch.float64))
    for row, scores in zip(wanted, others(score, Y), strict=True):
        ordered = row[scores.argsort(descending=True)]
        assert (ordered.diff() < 0).all()
    # The right class holds a rank too, and is dropped: what is left are nine of 1, 1/2 … 1/10.
    harmonic = sum(1 / r for r in range(1, 11))
    right = 1 + (score > of_label(score, Y)[:, None]).sum(1)
    rank = others((score.argsort(1, descending=True).argsort(1) + 1).double(), Y)
    assert torch.allclose(wanted, 1 / rank / (harmonic - 1 / right)[:, None])


def test_no_gradient_reaches_the_teacher_and_the_student_is_as_large_as_before(tmp_path):
    toy = ImageClassifier.toy()
    NKD().prepare(Preparation(toy.subject, 0, tmp_path, {}, training=toy.training, inputs=toy.inputs))
    weights, told = training.student_in(tmp_path)

    assert all(one.grad is None for one in toy.inputs["teacher"].network.parameters())
    assert {name: one.shape for name, one in weights.items()} == {
        name: one.shape for name, one in toy.subject.network.state_dict().items()
    }
    assert told["non_target"] > 0


def test_the_weak_head_is_dropped(tmp_path):
    toy = ImageClassifier.toy()
    USKD().prepare(Preparation(toy.subject, 0, tmp_path, {}, training=toy.training))
    weights, _ = training.student_in(tmp_path)

    assert weights.keys() == toy.subject.network.state_dict().keys()


def test_without_weight_on_the_teacher_kd_is_plain_training(tmp_path):
    toy = ImageClassifier.toy()
    (tmp_path / "kd").mkdir()
    given = {"training": toy.training, "inputs": toy.inputs}
    toy.subject.train(Preparation(toy.subject, 0, tmp_path, {}, **given))
    KD(alpha=0.0).prepare(Preparation(toy.subject, 0, tmp_path / "kd", {}, **given))
    plain, taught = (training.student_in(folder)[0] for folder in (tmp_path, tmp_path / "kd"))

    assert all(torch.equal(plain[name], taught[name]) for name in plain)


def test_the_teacher_is_of_the_student_s_form_and_a_trained_student_is_refused(tmp_path):
    (tmp_path / "net.th").write_bytes(b"")
    teacher = NKD(teacher="net.th").inputs(CifarResNet(mean=(0.5,), std=(0.5,)))["teacher"]

    assert (teacher.depth, teacher.checkpoint, teacher.mean) == (56, "net.th", (0.5,))
    with pytest.raises(IncompatibleError, match="trains a student from a seed"):
        USKD().inputs(CifarResNet(checkpoint="net.th"))
