"""A cache layer that holds its size, by the attention that each row has received since it came."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn.functional import pad

from harness_plugins.subjects.causal_lm.cache import Dense

from .algorithm import kept_rows, received


class HeavyHitters(Dense):
    """Keeps `recent` last rows and the heaviest of the rest at every step; scores go on adding up.

    Args:
        rows: what was kept after prefill.
        scores: the attention each of them has received, [heads, rows].
    """

    def __init__(self, rows: Dense, scores: Tensor, recent: int, scaling: float) -> None:
        super().__init__(*rows.read(), rows.positions)
        self._scores, self._recent, self._scaling = scores, recent, scaling
        self._size = rows.length

    def attended(self, queries: Tensor) -> None:
        new = self.length - self._scores.shape[1]
        self._scores = pad(self._scores, (0, new)) + received(queries, self.read()[0], self._scaling)
        rows = kept_rows(self._scores, self._size, self._recent)
        self._scores = self._scores.gather(1, rows)
        self.keep(rows)

    def tensors(self) -> Iterable[Tensor]:
        return [*super().tensors(), self._scores]
