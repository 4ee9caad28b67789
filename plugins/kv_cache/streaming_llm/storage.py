"""A cache layer of constant size whose rows sit at positions 0, 1, 2 … whatever text they came from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .algorithm import kept_rows


class Rolling:
    """Keys are stored unrotated and rotated when read, by their place in the cache (arXiv:2309.17453, figure 4)."""

    def __init__(self, keys: Tensor, values: Tensor, sinks: int, rotation: Any) -> None:
        self._keys, self._values = keys, values
        self._sinks, self._rotation = sinks, rotation
        self._size = keys.shape[-2]

    @property
    def length(self) -> int:
        return self._keys.shape[-2]

    @property
    def positions(self) -> range:
        return range(self.length)

    def make_room(self, tokens: int) -> None:
        """Evicts the oldest rows behind the sinks, so that the size holds once `tokens` have come."""
        kept = max(self._size - tokens, self._sinks)
        if kept < self.length:
            rows = kept_rows(self.length, kept, self._sinks).to(self._keys.device)
            self._keys, self._values = self._keys[:, rows], self._values[:, rows]

    def attended(self, queries: Tensor) -> None:
        pass

    def append(self, keys: Tensor, values: Tensor, positions: range) -> None:
        unrotated = self._rotation.undo(keys.float(), positions).to(keys.dtype)
        self._keys = torch.cat([self._keys, unrotated], dim=1)
        self._values = torch.cat([self._values, values], dim=1)

    def read(self) -> tuple[Tensor, Tensor]:
        rotated = self._rotation.do(self._keys.float(), self.positions)
        return rotated.to(self._keys.dtype), self._values

    def reserve(self, tokens: int) -> None:
        pass

    def tensors(self) -> Iterable[Tensor]:
        return [self._keys, self._values]
