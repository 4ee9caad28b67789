"""HNSW as usearch has it. The library takes no seed, which orders the insertions instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.api import Evidence
from harness_plugins.subjects.vector_collection.index import library


def ready() -> None:
    library("usearch.index")


def construct(base: Any, m: int, ef_construction: int, seed: int, threads: int) -> Any:
    order = np.random.default_rng(seed).permutation(len(base))
    index = library("usearch.index").Index(
        ndim=base.shape[1], metric="l2sq", dtype="f32", connectivity=m, expansion_add=ef_construction
    )
    index.add(order, base[order], threads=threads)
    return index


def save(built: Any, path: Path) -> None:
    built.save(str(path))


class Searcher:
    def __init__(self, path: Path, ef: int, threads: int, evidence: Evidence) -> None:
        index = library("usearch.index").Index.restore(str(path))
        index.expansion_search = ef
        self._index, self._threads, self._evidence = index, threads, evidence
        self._distances = 0
        self.index_bytes = path.stat().st_size

    def search(self, queries: Any, k: int) -> Any:
        found = self._index.search(queries, k, threads=self._threads)
        self._distances += found.computed_distances
        return found.keys.reshape(len(queries), -1).astype(np.int64)  # of one query it gives a row alone

    def account(self, searches: int) -> float:
        found = self._distances / searches
        self._evidence.record(distances=found)
        self._distances = 0
        return found


open_searcher = Searcher
