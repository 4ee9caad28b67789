"""Which weights stay, by torch's own pruning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune


def smallest(layers: Mapping[str, nn.Module], sparsity: float, together: bool) -> Iterator[tuple[str, Tensor]]:
    """False for round(sparsity · n) of the n weights that compete: those of the smallest magnitude.

    Args:
        together: all weights compete; else those of each layer among themselves.
    """
    method = prune.L1Unstructured(amount=sparsity)
    if not together:
        for name in layers:
            weight = layers[name].weight.detach()
            yield name, method.compute_mask(weight, torch.ones_like(weight)).bool()
        return
    weights = {name: layers[name].weight.detach() for name in layers}
    flat = torch.cat([weight.flatten() for weight in weights.values()])
    mask = method.compute_mask(flat, torch.ones_like(flat)).bool()
    for part, (name, weight) in zip(
        mask.split([one.numel() for one in weights.values()]), weights.items(), strict=True
    ):
        yield name, part.view_as(weight)


def drawn(layers: Mapping[str, nn.Module], sparsity: float, draw: int) -> Iterator[tuple[str, Tensor]]:
    """False for round(sparsity · n) of each layer's n weights, drawn at random."""
    method = prune.RandomUnstructured(amount=sparsity)
    with torch.random.fork_rng():
        torch.manual_seed(draw)
        found = []
        for name in layers:
            weight = layers[name].weight.detach()
            found.append((name, method.compute_mask(weight, torch.ones_like(weight)).bool()))
    yield from found
