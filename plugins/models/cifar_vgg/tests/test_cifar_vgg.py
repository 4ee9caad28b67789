import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.api import Device
from harness.testing import contract
from harness_plugins.models.cifar_vgg.plugin import CifarVGG16
from harness_plugins.subjects.image_classifier.vgg import VGG16

test_contract = contract(CifarVGG16(), CifarVGG16(classes=100, mean=(0.5,), std=(0.5,)))

PAPER_MACS = 313_478_144  # of VGG-16-BN on CIFAR-10 in the released code of arXiv:2110.08232


def test_it_costs_what_the_papers_network_costs():
    """Which counts a bias as an operation an output, beside the products."""
    network, places = VGG16(10).eval(), []
    for module in network.features:
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda conv, given, output: places.append(output[0].numel()))
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        network(torch.zeros(1, 3, 32, 32))

    assert counted.get_total_flops() / 2 + sum(places) == PAPER_MACS


def test_a_checkpoint_of_the_usual_names_fits(tmp_path):
    """As kuangliu/pytorch-cifar and those after it name them."""
    weights = VGG16(10).state_dict()
    torch.save({"net": 0, "state_dict": weights}, tmp_path / "net.pth")
    model = CifarVGG16(checkpoint=str(tmp_path / "net.pth"))

    loaded = model.load(model.fetch(), Device("cpu", 1)).network.state_dict()

    assert all(torch.equal(loaded[name], one) for name, one in weights.items())
    assert {"features.0.weight", "features.41.running_var", "classifier.bias"} <= weights.keys()
    assert sum(one.numel() for name, one in VGG16(10).named_parameters()) == 14_728_266
