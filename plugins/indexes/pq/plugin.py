"""PQ: product quantization, a byte for every few dimensions (Jégou et al., TPAMI 2011), through faiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.vector_collection.index import FaissIndex, enough, parts


@dataclass(frozen=True)
class PQ(FaissIndex):
    m: int | None = knob(None, low=1, help="sub-vectors; null for one to every eight dimensions")
    bits: int = knob(8, low=1, high=8, help="of a sub-vector's code")

    name = "pq"

    def make(self, faiss: Any, dimensions: int, vectors: int, seed: int) -> Any:
        enough(vectors, 2**self.bits, f"bits={self.bits}")
        index = faiss.IndexPQ(dimensions, parts(self.m, dimensions), self.bits)
        index.pq.cp.seed = seed
        return index

    def counted(self, faiss: Any, index: Any, searches: int) -> dict[str, float]:
        return {**super().counted(faiss, index, searches), "code_bytes": index.pq.code_size}


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [PQ]
