"""Weights in few bits: codes on a grid for each group of a row, packed into bytes, and a linear layer over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PLANES = {2: (2,), 3: (2, 1), 4: (4,), 8: (8,)}  # how the bits of a code are split over arrays of whole bytes


class Codes(NamedTuple):
    """weight ≈ (code − zero) · scale, scale and zero those of its group: `group` neighbours in a row."""

    codes: Tensor  # uint8 [outputs, inputs]
    scale: Tensor  # [outputs, groups], as stored
    zero: Tensor | None  # the same; None: the middle code, 2^(bits − 1)
    bits: int
    group: int  # the last of a row is shorter where this does not divide its length

    def dense(self) -> Tensor:
        """The weights they stand for, in the type of the scale."""
        zero = 2 ** (self.bits - 1) if self.zero is None else spread(self.zero, self.group, self.codes.shape[1])
        return (self.codes.to(self.scale.dtype) - zero) * spread(self.scale, self.group, self.codes.shape[1])


def spread(numbers: Tensor, group: int, inputs: int) -> Tensor:
    """A number of each group, for each weight of the group: [outputs, groups] → [outputs, inputs]."""
    return numbers.repeat_interleave(group, dim=1)[:, :inputs]


def grouped(weight: Tensor, group: int) -> Tensor:
    """[outputs, inputs] → [outputs, groups, group], the end of a row repeated to fill its last group."""
    outputs, inputs = weight.shape
    lacking = -inputs % group
    if lacking:
        weight = torch.cat([weight, weight[:, -1:].expand(outputs, lacking)], dim=1)
    return weight.reshape(outputs, -1, group)


def stored_type(weight: Tensor) -> torch.dtype:
    """Of scales and zeros: 16 bits, whatever the weights have."""
    return torch.bfloat16 if weight.dtype == torch.bfloat16 else torch.float16


def round_to_nearest(weight: Tensor, bits: int, group: int, symmetric: bool) -> Codes:
    """Each group on a grid of its own, every weight on the nearest point of it.

    Symmetric: scale = max |w| / (2^(bits−1) − 1). Else: scale = (max − min) / (2^bits − 1), zero = round(−min / scale),
    the range widened to hold 0, as a code for it must exist. Scales are rounded to 16 bits before codes are chosen.

    Args:
        weight: [outputs, inputs].
        group: how many neighbours in a row share a scale; 0: the whole row.
    """
    group = min(group, weight.shape[1]) or weight.shape[1]
    groups, kept = grouped(weight.float(), group), stored_type(weight)
    if symmetric:
        span, levels = groups.abs().amax(-1), 2 ** (bits - 1) - 1
    else:
        low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
        span, levels = high - low, 2**bits - 1
    scale = torch.where(span > 0, span / levels, 1.0).clamp(min=torch.finfo(kept).tiny).to(kept)
    wide = scale.float()
    zero = None if symmetric else (-low / wide).round().clamp(0, 2**bits - 1)
    middle = 2 ** (bits - 1) if zero is None else zero.unsqueeze(-1)
    codes = ((groups / wide.unsqueeze(-1)).round() + middle).clamp(0, 2**bits - 1)
    codes = codes.to(torch.uint8).flatten(1)[:, : weight.shape[1]].contiguous()
    return Codes(codes, scale, None if zero is None else zero.to(kept), bits, group)


def pack(codes: Tensor, bits: int) -> list[Tensor]:
    """uint8 arrays [outputs, ⌈inputs · width / 8⌉], one for each plane: its part of the j-th, (j + n)-th, ... code
    of a row side by side in byte j, n the bytes of a row. So no code is moved when they are unpacked."""
    planes, shift = [], 0
    for width in PLANES[bits]:
        part = (codes >> shift) & (2**width - 1)
        shares = 8 // width
        part = F.pad(part, (0, -part.shape[1] % shares)).reshape(part.shape[0], shares, -1)
        plane = part[:, 0].clone()
        for share in range(1, shares):
            plane |= part[:, share] << (width * share)
        planes.append(plane)
        shift += width
    return planes


def unpack(planes: Iterable[Tensor], bits: int, inputs: int) -> Tensor:
    """The codes again, uint8 [outputs, inputs]."""
    found, shift = None, 0
    for width, plane in zip(PLANES[bits], planes, strict=True):
        shares = [(plane >> (width * share)) & (2**width - 1) for share in range(8 // width)]
        part = torch.cat(shares, dim=1)[:, :inputs] if len(shares) > 1 else plane
        found = part if found is None else found | (part << shift)
        shift += width
    assert found is not None
    return found


class PackedLinear(nn.Module):
    """A linear layer that keeps packed codes alone, and makes its weights of them each time it is called."""

    def __init__(self, codes: Codes, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.bits, self.group, self.dtype = codes.bits, codes.group, dtype
        self.out_features, self.in_features = codes.codes.shape
        for place, plane in enumerate(pack(codes.codes, codes.bits)):
            self.register_buffer(f"plane{place}", plane)
        self.register_buffer("scale", codes.scale)
        self.register_buffer("zero", codes.zero)
        self.register_buffer("bias", bias)

    @property
    def planes(self) -> list[Tensor]:
        return [getattr(self, f"plane{place}") for place in range(len(PLANES[self.bits]))]

    def dense(self) -> Tensor:
        """The weights its codes stand for, [outputs, inputs]."""
        codes = unpack(self.planes, self.bits, self.in_features)
        groups = self.in_features // self.group
        if groups * self.group < self.in_features:
            zero = None if self.zero is None else self.zero.to(self.dtype)
            return Codes(codes, self.scale.to(self.dtype), zero, self.bits, self.group).dense()
        middle = 2.0 ** (self.bits - 1) if self.zero is None else self.zero.to(self.dtype).unsqueeze(-1)
        weight = codes.view(-1, groups, self.group).to(self.dtype).sub_(middle)
        return weight.mul_(self.scale.to(self.dtype).unsqueeze(-1)).view(self.out_features, self.in_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.dense(), self.bias)

    def stored_bytes(self) -> int:
        """Of codes, scales and zeros."""
        return sum(one.untyped_storage().nbytes() for one in (*self.planes, self.scale, self.zero) if one is not None)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bits={self.bits}, group={self.group}"
