"""HNSW as its authors have it: hnswlib. The seed draws the layers of the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.api import Evidence
from harness_plugins.subjects.vector_collection.index import library


def ready() -> None:
    library("hnswlib", "hnswlib")


def construct(base: Any, m: int, ef_construction: int, seed: int, threads: int) -> Any:
    index = library("hnswlib", "hnswlib").Index("l2", base.shape[1])
    index.init_index(
        len(base), ef_construction=ef_construction, M=m, random_seed=seed + 1
    )  # its generator takes 0 for 1
    index.add_items(base, num_threads=threads)
    return index


def save(built: Any, path: Path) -> None:
    built.save_index(str(path))
    path.with_suffix(".dimensions").write_text(str(built.dim))  # its file does not say


class Searcher:
    """The library counts no distances; what it says it searches with is the evidence."""

    def __init__(self, path: Path, ef: int, threads: int, evidence: Evidence) -> None:
        dimensions = int(path.with_suffix(".dimensions").read_text())
        index = library("hnswlib", "hnswlib").Index("l2", dimensions)
        index.load_index(str(path))
        index.set_ef(ef)
        index.set_num_threads(threads)
        ask = index.knn_query
        self.search = lambda queries, k: ask(queries, k)[0]
        self.index_bytes = path.stat().st_size
        self._index, self._evidence = index, evidence

    def account(self, searches: int) -> None:
        """There is no count to return."""
        self._evidence.record(ef=self._index.ef, m=self._index.M)


open_searcher = Searcher
