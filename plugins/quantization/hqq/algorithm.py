"""hqq's own solver, its result as Codes."""

from __future__ import annotations

import torch
from torch import Tensor

from harness_plugins.subjects.causal_lm.packed import Codes, stored_type


def half_quadratic(weight: Tensor, bits: int, group: int) -> Codes:
    """The package's codes, scales and zeros; the last two rounded to 16 bits, as they are stored.

    Args:
        weight: [outputs, inputs].
        group: how many neighbours in a row share a scale; 0: the whole row.
    """
    inputs = weight.shape[1]
    group = min(group, inputs) or inputs
    whole = inputs - inputs % group
    parts = [solved(weight[:, :whole], bits, group)]
    if whole < inputs:
        parts.append(solved(weight[:, whole:], bits, inputs - whole))
    codes, scale, zero = (torch.cat(one, dim=1) for one in zip(*parts, strict=True))
    kept = stored_type(weight)
    return Codes(codes.to(torch.uint8).contiguous(), scale.to(kept), zero.to(kept), bits, group)


def solved(weight: Tensor, bits: int, group: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of a whole number of groups: codes [outputs, inputs]; scales and zeros [outputs, groups]."""
    from hqq.core.quantize import Quantizer

    codes, meta = Quantizer.quantize(
        weight.float(), nbits=bits, group_size=group, axis=1, bitpack=False, device=weight.device.type
    )
    outputs = weight.shape[0]
    return codes.reshape(weight.shape), meta["scale"].reshape(outputs, -1), meta["zero"].reshape(outputs, -1)
