"""A cache layer that holds its size: each decoded token costs the row it attends to least."""

from __future__ import annotations

from torch import Tensor

from harness_plugins.subjects.causal_lm.cache import Dense

from .algorithm import scores


class Bounded(Dense):
    """Rows that a method left, and no more of them ever after (arXiv:2401.06104, section 4)."""

    def __init__(self, rows: Dense, scaling: float) -> None:
        super().__init__(*rows.read(), rows.positions)
        self._size, self._scaling = rows.length, scaling

    def attended(self, queries: Tensor) -> None:
        if self.length > self._size:
            found = scores(queries[:, -1:], self.read()[0], self._scaling)
            self.keep(found.topk(self._size).indices.sort().values)
