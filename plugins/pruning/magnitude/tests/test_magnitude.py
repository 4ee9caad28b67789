import pytest
import torch

from harness.api import IncompatibleError, KnobError
from harness.testing import contract, toy_of
from harness_plugins.pruning.magnitude.algorithm import drawn, smallest
from harness_plugins.pruning.magnitude.plugin import Magnitude, RandomPruning
from harness_plugins.subjects.causal_lm.masks import lowest_of_rows, two_of_four

test_contract = contract(
    Magnitude(), Magnitude(sparsity=0.9, scope="layer"), RandomPruning(), RandomPruning(sparsity=0.9, draw=1)
)


def two_layers():
    layers = {"first": torch.nn.Linear(2, 2), "second": torch.nn.Linear(2, 2)}
    layers["first"].weight.data = torch.tensor([[1.0, -2.0], [3.0, -4.0]])
    layers["second"].weight.data = torch.tensor([[5.0, -6.0], [7.0, -8.0]])
    return layers


@pytest.mark.parametrize(
    ("together", "first", "second"),
    [
        (True, [[False, False], [False, False]], [[True, True], [True, True]]),
        (False, [[False, False], [True, True]], [[False, False], [True, True]]),
    ],
)
def test_the_smallest_of_those_that_compete_go(together, first, second):
    found = {name: mask.tolist() for name, mask in smallest(two_layers(), 0.5, together)}

    assert found == {"first": first, "second": second}


def test_a_draw_takes_as_many_from_each_layer_and_leaves_the_random_state_alone():
    layers, before = two_layers(), torch.random.get_rng_state()
    found = dict(drawn(layers, 0.5, 0))

    assert [int((~mask).sum()) for mask in found.values()] == [2, 2]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_lowest_scores_of_each_row_go_and_of_equal_ones_the_first():
    scores = torch.tensor([[3.0, 1.0, 2.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1.0, 1.0]])

    assert lowest_of_rows(scores, 0.5).tolist() == [[True, False, True, False, True], [False, False, True, True, True]]


def test_two_of_each_four_neighbours_stay():
    scores = torch.tensor([[4.0, 1.0, 3.0, 2.0, 0.0, 0.0, 9.0, 9.0]])

    assert two_of_four(scores).tolist() == [[True, False, True, False, False, False, True, True]]
    with pytest.raises(IncompatibleError, match="a layer of this model has 27"):
        two_of_four(torch.zeros(16, 3, 3, 3))


def layers_of(subject):
    found = {}
    with subject.at("weights", lambda layers: found.update({name: layers[name] for name in layers})):
        return found


@pytest.mark.parametrize("kind", ["causal-lm", "image-classifier"])
@pytest.mark.parametrize("method", [Magnitude(sparsity=0.75), RandomPruning(sparsity=0.75)])
def test_evidence_is_what_the_network_holds(method, kind):
    subject = toy_of(kind).subject
    with method.apply(subject) as evidence:
        weights = [layer.weight for layer in layers_of(subject).values()]
        held = {"zeros": sum(int((w == 0).sum()) for w in weights), "weights": sum(w.numel() for w in weights)}
        assert evidence.take() == held
        assert held["zeros"] / held["weights"] == pytest.approx(0.75, abs=0.001)
    assert all((layer.weight != 0).all() for layer in layers_of(subject).values())


@pytest.mark.parametrize("method", [Magnitude(pattern="2:4"), RandomPruning(pattern="2:4")])
def test_the_pattern_holds_in_every_layer(method):
    subject = toy_of("causal-lm").subject
    with method.apply(subject):
        for layer in layers_of(subject).values():
            assert ((layer.weight.view(-1, 4) == 0).sum(1) == 2).all()


def test_scope_auto_is_each_layer_of_a_language_model_and_all_of_a_classifier():
    language, images = toy_of("causal-lm").subject, toy_of("image-classifier").subject
    with Magnitude().apply(language):
        shares = {float((layer.weight == 0).float().mean()) for layer in layers_of(language).values()}
    with Magnitude().apply(images):
        differing = {float((layer.weight == 0).float().mean()) for layer in layers_of(images).values()}

    assert shares == {0.5}
    assert len(differing) > 1


def test_a_pattern_fixes_the_sparsity():
    with pytest.raises(KnobError, match=r"magnitude.pattern=2:4 zeroes half of the weights, got sparsity=0.6"):
        Magnitude(sparsity=0.6, pattern="2:4")
