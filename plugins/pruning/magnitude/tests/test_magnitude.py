import pytest
import torch

from harness.testing import contract
from harness_plugins.pruning.magnitude.algorithm import count, prune_drawn, prune_smallest
from harness_plugins.pruning.magnitude.plugin import Magnitude, RandomPruning
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier

test_contract = contract(
    Magnitude(), Magnitude(sparsity=0.9, scope="layer"), RandomPruning(), RandomPruning(sparsity=0.9, draw=1)
)


def two_layers():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    network[0].weight.data = torch.tensor([[1.0, -2.0], [3.0, -4.0]])
    network[1].weight.data = torch.tensor([[5.0, -6.0], [7.0, -8.0]])
    return network


@pytest.mark.parametrize(
    ("scope", "first", "second"),
    [
        ("global", [[0.0, 0.0], [0.0, 0.0]], [[5.0, -6.0], [7.0, -8.0]]),
        ("layer", [[0.0, 0.0], [3.0, -4.0]], [[0.0, 0.0], [7.0, -8.0]]),
    ],
)
def test_the_smallest_of_those_that_compete_become_zero(scope, first, second):
    network = two_layers()
    prune_smallest(network, 0.5, scope)

    assert [network[0].weight.tolist(), network[1].weight.tolist()] == [first, second]


def test_a_draw_takes_as_many_from_each_layer_and_leaves_the_random_state_alone():
    network, before = two_layers(), torch.random.get_rng_state()
    prune_drawn(network, 0.5, 0)

    assert [int((layer.weight == 0).sum()) for layer in network] == [2, 2]
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("method", [Magnitude(sparsity=0.75), RandomPruning(sparsity=0.75)])
def test_evidence_is_what_the_network_holds(method):
    subject = ImageClassifier.toy().subject
    with method.apply(subject) as evidence:
        held = count(subject.network)
        assert evidence.take() == held
        assert held["zeros"] / held["weights"] == pytest.approx(0.75, abs=0.001)
    assert count(subject.network)["zeros"] == 0
