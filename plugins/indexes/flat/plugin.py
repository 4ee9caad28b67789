"""Flat: exact search through faiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl
from harness_plugins.subjects.vector_collection.index import FaissIndex


@dataclass(frozen=True)
class Flat(FaissIndex):
    name = "flat"
    neutral = {}

    def make(self, faiss: Any, dimensions: int, vectors: int, seed: int) -> Any:
        return faiss.IndexFlatL2(dimensions)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Flat]
