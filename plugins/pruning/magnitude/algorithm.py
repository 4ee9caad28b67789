"""Weights set to zero in place, by torch's own pruning."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import prune


def prunable(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def prune_smallest(network: nn.Module, sparsity: float, scope: str) -> None:
    """round(sparsity · n) of the n weights that compete become zero: those of the smallest magnitude."""
    modules = prunable(network)
    if scope == "global":
        places = [(module, "weight") for module in modules]
        prune.global_unstructured(places, pruning_method=prune.L1Unstructured, amount=sparsity)
    else:
        for module in modules:
            prune.l1_unstructured(module, "weight", amount=sparsity)
    settle(modules)


def prune_drawn(network: nn.Module, sparsity: float, draw: int) -> None:
    """round(sparsity · n) of each layer's n weights become zero, drawn at random."""
    modules = prunable(network)
    with torch.random.fork_rng():
        torch.manual_seed(draw)
        for module in modules:
            prune.random_unstructured(module, "weight", amount=sparsity)
    settle(modules)


def settle(modules: list[nn.Module]) -> None:
    """The pruned weights take the place of weight and mask."""
    for module in modules:
        prune.remove(module, "weight")


def count(network: nn.Module) -> dict[str, float]:
    weights = [module.weight for module in prunable(network)]
    return {"zeros": sum(float((one == 0).sum()) for one in weights), "weights": sum(one.numel() for one in weights)}
