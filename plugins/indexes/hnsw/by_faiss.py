"""HNSW as faiss has it. The seed draws the layers of the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.api import Evidence
from harness_plugins.subjects.vector_collection.index import FaissSearcher, library


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


def open_searcher(path: Path, ef: int, threads: int, evidence: Evidence) -> FaissSearcher:
    faiss = library("faiss")
    faiss.omp_set_num_threads(threads)
    index = faiss.read_index(str(path))
    index.hnsw.efSearch = ef
    stats = faiss.cvar.hnsw_stats
    stats.reset()

    def counted(searches: int) -> dict[str, float]:
        found = {"distances": stats.ndis / searches}
        stats.reset()
        return found

    return FaissSearcher(index, path, counted, evidence)
