"""Which weights stay when those of the lowest scores go, and layers with the others zeroed."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from harness.api import IncompatibleError


def masked(layer: nn.Module, mask: Tensor) -> nn.Module:
    """The same layer with zeros where the mask is false; the one given is left alone."""
    other = deepcopy(layer)
    other.weight = nn.Parameter(layer.weight.detach() * mask, requires_grad=False)
    return other


def lowest_of_rows(scores: Tensor, share: float) -> Tensor:
    """False for the ⌊share · inputs⌋ lowest scores of each row, [outputs, inputs]; of equal ones the first go."""
    gone = int(share * scores.shape[1] + 1e-9)
    order = scores.argsort(dim=1, stable=True)[:, :gone]
    return torch.ones_like(scores, dtype=torch.bool).scatter_(1, order, False)


def two_of_four(scores: Tensor) -> Tensor:
    """False for the two lowest scores of each four neighbours in a row; a weight of more than two axes is flattened.

    Raises:
        IncompatibleError: a row is no whole number of fours.
    """
    rows = scores.flatten(1)
    if rows.shape[1] % 4:
        raise IncompatibleError(
            f"pattern 2:4 takes rows of a multiple of 4 weights, a layer of this model has {rows.shape[1]}; "
            "set pattern to free"
        )
    return lowest_of_rows(rows.reshape(-1, 4), 0.5).view(scores.shape)
