"""HNSW as faiss has it. The seed draws the layers of the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.api import Evidence
from harness_plugins.subjects.vector_collection.index import library


def ready() -> None:
    library("faiss")


def construct(base: Any, m: int, ef_construction: int, seed: int, threads: int) -> Any:
    faiss = library("faiss")
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexHNSWFlat(base.shape[1], m)
    index.hnsw.rng = faiss.RandomGenerator(seed)
    index.hnsw.efConstruction = ef_construction
    index.add(base)
    return index


def save(built: Any, path: Path) -> None:
    library("faiss").write_index(built, str(path))


class Opened:
    def __init__(self, path: Path, ef: int, threads: int, evidence: Evidence) -> None:
        faiss = library("faiss")
        faiss.omp_set_num_threads(threads)
        index = faiss.read_index(str(path))
        index.hnsw.efSearch = ef
        search = index.search
        self.search = lambda queries, k: search(queries, k)[1]
        self.index_bytes = path.stat().st_size
        self._stats, self._evidence = faiss.cvar.hnsw_stats, evidence
        self._stats.reset()

    def account(self, searches: int) -> None:
        self._evidence.record(distances=self._stats.ndis / searches)
        self._stats.reset()
