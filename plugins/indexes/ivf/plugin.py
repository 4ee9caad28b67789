"""IVF: scan only the lists whose centroids are nearest (Jégou et al., TPAMI 2011), through faiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.vector_collection.index import FaissIndex, enough


@dataclass(frozen=True)
class IVF(FaissIndex):
    nlist: int = knob(64, low=1, help="lists, a centroid each")
    nprobe: int = knob(16, low=1, prepared=False, help="lists scanned for a query")

    name = "ivf"

    def make(self, faiss: Any, dimensions: int, vectors: int, seed: int) -> Any:
        enough(vectors, self.nlist, f"nlist={self.nlist}")
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimensions), dimensions, self.nlist)
        index.cp.seed = seed
        return index

    def adjust(self, faiss: Any, index: Any) -> None:
        index.nprobe = self.nprobe

    def counted(self, faiss: Any, index: Any, searches: int) -> dict[str, float]:
        scanned = faiss.cvar.indexIVF_stats.ndis
        faiss.cvar.indexIVF_stats.reset()
        return {"distances": index.nlist + scanned / searches}


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [IVF]
