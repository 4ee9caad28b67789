"""A cache layer kept as factors, and rebuilt each time it is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class LowRank:
    """The context as token-side factors, shared with the layer's group, and channel-side factors of its own.

    Keys are factorised before rotation and rotated when rebuilt; decoded tokens follow exactly.

    Args:
        keys, values: (token side [tokens, rank], channel side [rank, heads · size]).
        positions: of the context's rows.
    """

    append_only = True

    def __init__(
        self,
        keys: tuple[Tensor, Tensor],
        values: tuple[Tensor, Tensor],
        heads: int,
        positions: range | Tensor,
        rotation: Any,
        tail: Any,
    ) -> None:
        self._keys, self._values = keys, values
        self._heads = heads
        self._positions = positions
        self._rotation = rotation
        self._tail = tail

    @property
    def length(self) -> int:
        return self._keys[0].shape[0] + self._tail.length

    @property
    def positions(self) -> None:
        return None

    def append(self, keys: Tensor, values: Tensor, positions: range) -> None:
        self._tail.append(keys, values, positions)

    def read(self) -> tuple[Tensor, Tensor]:
        keys = self._rotation.do(self._rebuilt(*self._keys), self._positions)
        values = self._rebuilt(*self._values)
        new_keys, new_values = self._tail.read()
        return torch.cat([keys, new_keys], dim=1), torch.cat([values, new_values], dim=1)

    def _rebuilt(self, tokens: Tensor, channels: Tensor) -> Tensor:
        """[heads, tokens, size]."""
        return (tokens @ channels).view(tokens.shape[0], self._heads, -1).transpose(0, 1)

    def reserve(self, tokens: int) -> None:
        self._tail.reserve(tokens)

    def make_room(self, tokens: int) -> None:
        pass

    def attended(self, queries: Tensor) -> None:
        pass

    def tensors(self) -> Iterable[Tensor]:
        tables = [self._positions] if isinstance(self._positions, Tensor) else []
        return [*self._keys, *self._values, *tables, *self._tail.tensors()]
