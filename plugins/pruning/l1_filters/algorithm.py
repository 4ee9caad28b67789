"""Filters removed for good, with what belongs to them, by Torch-Pruning's dependency graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from harness.api import IncompatibleError, UsageError


class Count(NamedTuple):
    filters: int  # of the convolutions that may be pruned
    parameters: int


def blocks(network: nn.Module) -> list[nn.Module]:
    """Residual blocks: only the output of their first convolution goes nowhere but into the second."""
    found = [one for one in network.modules() if isinstance(getattr(one, "conv2", None), nn.Conv2d)]
    found = [one for one in found if one.conv1.groups == 1]  # a depthwise one's filters are its inputs'
    if not found:
        raise IncompatibleError("l1_filters prunes the first convolution of residual blocks, and this network has none")
    return found


def l1_norms(conv: nn.Conv2d) -> torch.Tensor:
    """Σ|w| of each filter."""
    return conv.weight.detach().abs().sum((1, 2, 3))


def drawn(draw: int) -> Callable[[nn.Conv2d], torch.Tensor]:
    generator = torch.Generator().manual_seed(draw)
    return lambda conv: torch.rand(conv.out_channels, generator=generator)


def prune(
    network: nn.Module, image: torch.Tensor, ratio: float, scores: Callable[[nn.Conv2d], torch.Tensor]
) -> nn.Module:
    """round(ratio · n) filters of each block's first convolution are removed, those of the lowest scores; in place."""
    pruning = library()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = pruning.DependencyGraph().build_dependency(network, example_inputs=image)
        for block in blocks(network):
            removed = min(round(ratio * block.conv1.out_channels), block.conv1.out_channels - 1)
            if removed:
                lowest = scores(block.conv1).argsort(stable=True)[:removed].tolist()
                graph.get_pruning_group(block.conv1, pruning.prune_conv_out_channels, lowest).prune()
    return network


def library() -> Any:
    try:
        import torch_pruning
    except ImportError as error:
        raise UsageError('l1_filters needs Torch-Pruning; install it with pip install "harness-ml[vision]"') from error
    return torch_pruning


def fitted(network: nn.Module, weights: dict[str, torch.Tensor]) -> nn.Module:
    """The network with these weights, each layer as wide as they are."""
    for name, module in network.named_modules():
        weight = weights.get(f"{name}.weight")
        if weight is None:
            continue
        if isinstance(module, nn.Conv2d):
            module.out_channels, module.in_channels = weight.shape[0], weight.shape[1] * module.groups
        if isinstance(module, nn.BatchNorm2d):
            module.num_features = weight.shape[0]
    for name, value in weights.items():
        place, _, own = name.rpartition(".")
        module = network.get_submodule(place)
        if getattr(module, own).shape != value.shape:
            fresh = torch.empty_like(getattr(module, own), requires_grad=False).resize_(value.shape)
            setattr(module, own, nn.Parameter(fresh) if own in module._parameters else fresh)
    network.load_state_dict(weights)
    return network


def count(network: nn.Module) -> Count:
    return Count(
        sum(block.conv1.out_channels for block in blocks(network)), sum(one.numel() for one in network.parameters())
    )
