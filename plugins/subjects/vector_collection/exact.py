"""Exact search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 24  # distances at once


class Exact:
    """The baseline, in float32: squared euclidean distances as ‖x‖² − 2 q·x, which rank like the angle at length 1."""

    def __init__(self, base: NDArray[np.float32]) -> None:
        self.base = base
        self.norms = np.einsum("ij,ij->i", base, base)
        self.index_bytes = base.nbytes + self.norms.nbytes

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        step = max(1, BLOCK // len(self.base))
        return np.concatenate([self._nearest(queries[at : at + step], k) for at in range(0, len(queries), step)])

    def _nearest(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return smallest(self.norms - 2 * (queries @ self.base.T), k)

    def account(self, searches: int) -> float:
        """Every vector is compared with every query."""
        return float(len(self.base))


def smallest(distances: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Columns of the k smallest of each row, in order."""
    k = min(k, distances.shape[1])
    found = np.argpartition(distances, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(distances, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def truth(base: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Exact neighbours by squared distances in float64, block by block."""
    best_ids = np.zeros((len(queries), 0), np.int64)
    best = np.zeros((len(queries), 0))
    wanted = queries.astype(np.float64)
    lengths = np.einsum("ij,ij->i", wanted, wanted)[:, None]
    step = max(1, BLOCK // max(1, len(queries)))
    for at in range(0, len(base), step):
        block = base[at : at + step].astype(np.float64)
        found = lengths + np.einsum("ij,ij->i", block, block) - 2 * (wanted @ block.T)
        ids = np.concatenate([best_ids, np.broadcast_to(np.arange(at, at + len(block)), found.shape)], axis=1)
        found = np.concatenate([best, found], axis=1)
        chosen = smallest(found, k)
        best, best_ids = (np.take_along_axis(one, chosen, axis=1) for one in (found, ids))
    return best_ids
