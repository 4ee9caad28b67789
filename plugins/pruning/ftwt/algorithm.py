"""Targets, gates and what they cost. o is a unit's dense output [images, channels, height, width]."""

from __future__ import annotations

import torch
from torch import nn

TOLERANCE = 1e-5


def mass_target(o: torch.Tensor, mass: float) -> torch.Tensor:
    """1 for the strongest channels that together hold no more than `mass` of the activation; [images, channels].

    A channel's activation is its largest absolute value. The channel that crosses `mass` is dropped. At a mass
    of 1 only dead channels are.
    """
    share = shares(o)
    if mass >= 1:
        return (share > TOLERANCE).float()
    ordered, order = share.sort(1, descending=True)
    within = (ordered.cumsum(1) <= mass + TOLERANCE).float()
    return torch.zeros_like(share).scatter(1, order, within)


def uniform_target(o: torch.Tensor, ratio: float) -> torch.Tensor:
    """0 for the int(ratio · channels) weakest channels of each image, and for dead ones; [images, channels]."""
    share = shares(o)
    weakest = share.argsort(1)[:, : int(ratio * o.shape[1])]
    return (share > TOLERANCE).float().scatter(1, weakest, 0.0)


def shares(o: torch.Tensor) -> torch.Tensor:
    strongest = o.detach().abs().amax((2, 3))
    return strongest / strongest.sum(1, keepdim=True).clamp_min(1e-12)


def mask_loss(z: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the predictor's logits: a sum over channels, a mean over images."""
    return nn.functional.binary_cross_entropy_with_logits(z, wanted, reduction="none").sum(1).mean()


def keep_largest(scores: torch.Tensor, kept: int) -> torch.Tensor:
    """Gates [images, channels]: the `kept` largest of each row are open."""
    gates = torch.zeros_like(scores, dtype=torch.bool)
    return gates.scatter(1, scores.argsort(1, descending=True)[:, :kept], True)
