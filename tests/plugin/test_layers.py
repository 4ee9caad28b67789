import pytest
import torch

from harness.api import Layers


def network():
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Linear(2, 1)))


def test_a_layer_put_in_place_of_another_computes_and_is_taken_out_again():
    found = network()
    before = list(found.modules())
    layers = Layers(found, ["0", "2.0"])
    other, third = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)

    layers.put("2.0", other)
    assert (layers["2.0"], found[2][0]) == (other, other)
    layers.put("2.0", third)
    layers.restore()

    assert all(one is another for one, another in zip(found.modules(), before, strict=True))


def test_it_holds_the_layers_named_in_order_and_no_others():
    layers = Layers(network(), ["2.0", "0"])

    assert list(layers) == ["2.0", "0"]
    with pytest.raises(KeyError):
        layers["1"]
