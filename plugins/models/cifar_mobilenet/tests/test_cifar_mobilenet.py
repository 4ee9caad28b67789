import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.api import IncompatibleError
from harness.testing import contract
from harness_plugins.models.cifar_mobilenet.plugin import CifarMobileNetV1
from harness_plugins.pruning.l1_filters.algorithm import blocks
from harness_plugins.subjects.image_classifier.mobilenet import MobileNetV1

test_contract = contract(CifarMobileNetV1(), CifarMobileNetV1(classes=100, mean=(0.5,), std=(0.5,)))

PAPER_MACS = 46_355_456  # of MobileNetV1 on CIFAR-10 in the released code of arXiv:2110.08232


def test_it_costs_what_the_papers_network_costs():
    """Which counts the last pooling as an operation a channel, beside the products."""
    network = MobileNetV1(10).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        network(torch.zeros(1, 3, 32, 32))

    assert counted.get_total_flops() / 2 + 1024 == PAPER_MACS
    assert sum(one.numel() for one in network.parameters()) == 3_217_226


def test_depthwise_filters_are_not_taken_for_a_residual_block_s():
    with pytest.raises(IncompatibleError, match="this network has none"):
        blocks(MobileNetV1(10))
