from copy import deepcopy

import pytest
import torch

from harness.api import IncompatibleError
from harness.testing import contract
from harness_plugins.pruning.l1_filters.algorithm import blocks, count, drawn, fitted, l1_norms, prune
from harness_plugins.pruning.l1_filters.plugin import L1Filters, RandomFilters
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier
from harness_plugins.subjects.image_classifier.resnet import ResNet

pytest.importorskip("torch_pruning")
test_contract = contract(L1Filters(), L1Filters(ratio=0.9), RandomFilters(draw=1))

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network():
    """With running statistics that are not those of a new one."""
    torch.manual_seed(0)
    made = ResNet(14, 10)
    for _ in range(3):
        made(torch.randn(8, 3, 8, 8))
    return made.eval()


def test_removing_filters_is_zeroing_them_with_their_normalisation():
    smaller, zeroed = network(), network()
    prune(smaller, IMAGES[:1], 0.5, l1_norms)
    for block in blocks(zeroed):
        lowest = block.conv1.weight.abs().sum((1, 2, 3)).argsort()[: block.conv1.out_channels // 2]
        for values in (block.conv1.weight, block.bn1.weight, block.bn1.bias):
            values.data[lowest] = 0

    assert torch.allclose(smaller(IMAGES), zeroed(IMAGES), atol=1e-5)
    assert not torch.allclose(smaller(IMAGES), network()(IMAGES), atol=1e-2)


def test_half_of_the_inner_filters_are_half_of_the_inner_weights():
    """ResNet-14 has two blocks a stage; each block's two convolutions lose half, or its inputs and outputs do."""
    full, smaller = network(), prune(network(), IMAGES[:1], 0.5, l1_norms)
    inner = sum(
        block.conv1.weight.numel() + block.conv2.weight.numel() + 2 * block.bn1.num_features for block in blocks(full)
    )

    assert count(full).parameters - count(smaller).parameters == inner // 2
    assert count(smaller).filters == count(full).filters / 2 == 112


def test_what_was_pruned_fits_back_by_its_weights_alone():
    smaller = prune(network(), IMAGES[:1], 0.7, drawn(3))
    again = fitted(ResNet(14, 10).eval(), deepcopy(smaller.state_dict()))

    assert torch.equal(again(IMAGES), smaller(IMAGES))
    assert count(again) == count(smaller)


def test_compute_falls_with_the_filters():
    from torch.utils.flop_counter import FlopCounterMode

    def flops(one):
        with FlopCounterMode(display=False) as counted:
            one(IMAGES[:1])
        return counted.get_total_flops()

    full, half = flops(network()), flops(prune(network(), IMAGES[:1], 0.5, l1_norms))
    stem_and_head = 2 * (3 * 16 * 9 * 64 + 640)

    assert half - stem_and_head == (full - stem_and_head) / 2


def test_a_network_without_residual_blocks_is_refused():
    with pytest.raises(IncompatibleError, match="this network has none"):
        prune(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), IMAGES, 0.5, l1_norms)


def test_evidence_counts_what_is_left():
    from harness.testing import answered

    evidence = answered(L1Filters(ratio=0.5), ImageClassifier.toy()).evidence

    assert (evidence["filters_kept"], evidence["filters_seen"]) == (56, 112)
