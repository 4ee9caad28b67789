"""HNSW: greedy search down a hierarchy of proximity graphs (Malkov and Yashunin, arXiv:1603.09320)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Evidence, Method, hookimpl, knob
from harness_plugins.subjects.vector_collection.index import Index, Searcher


@dataclass(frozen=True)
class HNSW(Index):
    library: str = knob("faiss", choices=("faiss", "hnswlib", "usearch"), help="whose implementation")
    m: int = knob(16, low=2, high=128, help="links a node has in the upper layers; twice as many at the bottom")
    ef_construction: int = knob(200, low=1, help="candidates kept while a node is inserted")
    ef: int = knob(128, low=1, prepared=False, help="candidates kept while searching; raised to k where lower")

    name = "hnsw"

    def ready(self) -> None:
        self._library().ready()

    def construct(self, base: Any, seed: int) -> Any:
        return self._library().construct(base, self.m, self.ef_construction, seed, self.build_threads)

    def save(self, built: Any, path: Path) -> None:
        self._library().save(built, path)

    def open(self, path: Path, threads: int, evidence: Evidence) -> Searcher:
        searcher: Searcher = self._library().open_searcher(path, self.ef, threads, evidence)
        return searcher

    def _library(self) -> Any:
        from importlib import import_module

        return import_module(f".by_{self.library}", __package__)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [HNSW]
