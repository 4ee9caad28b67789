"""Rotary embeddings of a loaded model: apply them, and take them off again."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Rotation:
    """Uses the model's own tables and its own way of applying them.

    A rotation by (cos, sin) is undone by (cos, −sin); models that scale both by a factor a
    (YaRN) are undone by dividing by a².
    """

    def __init__(self, tables: nn.Module, apply: Callable[..., tuple[Tensor, Tensor]]) -> None:
        self._tables = tables
        self._apply = apply
        self._last: tuple[tuple[range, torch.dtype], tuple[Tensor, Tensor]] | None = None  # every layer asks alike

    @classmethod
    def of(cls, model: nn.Module, attention: nn.Module) -> Rotation | None:
        """The model's rotation, or None where it has none of the usual form."""
        tables = next((module for name, module in model.named_modules() if name.endswith("rotary_emb")), None)
        apply = getattr(inspect.getmodule(type(attention)), "apply_rotary_pos_emb", None)
        return cls(tables, apply) if tables is not None and apply is not None else None

    def do(self, keys: Tensor, positions: range | Tensor) -> Tensor:
        """Rotated keys; keys [heads, tokens, size], positions [tokens]."""
        cos, sin = self._cos_sin(keys, positions)
        return self._turned(keys, cos, sin)

    def undo(self, keys: Tensor, positions: range | Tensor) -> Tensor:
        cos, sin = self._cos_sin(keys, positions)
        scale = float(getattr(self._tables, "attention_scaling", 1.0)) ** 2
        return self._turned(keys, cos / scale, -sin / scale)

    def average(self, rows: Tensor, positions: range) -> Tensor:
        """Each row rotated to every one of the positions, and the mean of these; rows [heads, rows, size]."""
        cos, sin = self._cos_sin(rows, positions)
        return self._turned(rows, cos.mean(dim=1, keepdim=True), sin.mean(dim=1, keepdim=True))

    def _cos_sin(self, keys: Tensor, positions: range | Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(positions, Tensor):
            return self._computed(keys, positions)
        key = (positions, keys.dtype)
        if self._last is None or self._last[0] != key:
            table = torch.arange(positions.start, positions.stop, device=keys.device)
            self._last = (key, self._computed(keys, table))
        return self._last[1]

    def _computed(self, keys: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = self._tables(keys, positions.to(keys.device, torch.long).unsqueeze(0))
        return cos.to(keys.dtype), sin.to(keys.dtype)

    def _turned(self, keys: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch = keys.unsqueeze(0)
        return self._apply(batch[:, :0], batch, cos, sin)[1].squeeze(0)  # no queries to turn
