import pytest
import torch

from harness.testing import contract
from harness_plugins.mil.abmil.plugin import ABMIL
from harness_plugins.mil.max_pool.plugin import MaxPool
from harness_plugins.mil.mean_pool.plugin import MeanPool

test_contract = contract(ABMIL(), ABMIL(gated=False))

ALL = pytest.mark.parametrize("method", [MeanPool(), MaxPool(), ABMIL(), ABMIL(gated=False)], ids=str)


def head(method):
    torch.manual_seed(0)
    return method.head(8, 2).eval()


def instances(count):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


@ALL
def test_order_and_copies_of_instances_change_nothing(method):
    made, bag = head(method), instances(9)

    for other in (bag.flip(0), bag.repeat(2, 1)):
        torch.testing.assert_close(made(other).logits, made(bag).logits, atol=1e-5, rtol=0)


@ALL
def test_attention_sums_to_one_and_a_lone_instance_has_it_all(method):
    made = head(method)

    assert made(instances(9)).attention.sum().item() == pytest.approx(1)
    assert made(instances(1)).attention.tolist() == [1.0]


def test_without_attention_weights_it_is_the_mean_of_the_hidden_features():
    made, bag = head(ABMIL()), instances(9)
    made.weigh.weight.data.zero_()

    torch.testing.assert_close(made(bag).logits, made.classify(bag.mean(0)), atol=1e-6, rtol=0)


def test_a_gate_without_weights_halves_the_logits_of_the_attention():
    gated, plain, bag = head(ABMIL()), head(ABMIL(gated=False)), instances(9)
    gated.gate.weight.data.zero_()
    gated.gate.bias.data.zero_()
    gated.weigh.bias.data.zero_()
    for name in ("tanh", "weigh"):
        getattr(plain, name).load_state_dict(getattr(gated, name).state_dict())
    plain.weigh.weight.data *= 0.5

    torch.testing.assert_close(gated.attention(bag), plain.attention(bag), atol=1e-6, rtol=0)


def test_the_max_is_the_instance_likeliest_positive():
    made = head(MaxPool())
    made.classify.weight.data = torch.tensor([[0.0] * 8, [1.0] + [0.0] * 7])
    made.classify.bias.data.zero_()
    bag = torch.zeros(4, 8)
    bag[:, 0] = torch.tensor([-9.0, 1.0, 3.0, 2.0])

    assert made(bag).attention.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert made(bag).logits.tolist() == [0.0, 3.0]
