"""IVF-PQ: lists of residuals in product-quantized codes (Jégou et al., TPAMI 2011), through faiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.vector_collection.index import FaissIndex, enough, parts


@dataclass(frozen=True)
class IVFPQ(FaissIndex):
    nlist: int = knob(64, low=1, help="lists, a centroid each")
    nprobe: int = knob(16, low=1, prepared=False, help="lists scanned for a query")
    m: int | None = knob(None, low=1, help="sub-vectors; null for one to every eight dimensions")
    bits: int = knob(8, low=1, high=8, help="of a sub-vector's code")
    refine: int = knob(0, low=0, help="re-rank so many times k candidates by their exact vectors, kept too; 0 for none")

    name = "ivf_pq"

    def make(self, faiss: Any, dimensions: int, vectors: int, seed: int) -> Any:
        enough(vectors, self.nlist, f"nlist={self.nlist}")
        enough(vectors, 2**self.bits, f"bits={self.bits}")
        coarse = faiss.IndexFlatL2(dimensions)
        index = faiss.IndexIVFPQ(coarse, dimensions, self.nlist, parts(self.m, dimensions), self.bits)
        index.cp.seed = index.pq.cp.seed = seed
        return faiss.IndexRefineFlat(index) if self.refine else index

    def adjust(self, faiss: Any, index: Any) -> None:
        if self.refine:
            index.k_factor = self.refine
        self._lists(faiss, index).nprobe = self.nprobe

    def counted(self, faiss: Any, index: Any, searches: int) -> dict[str, float]:
        scanned = faiss.cvar.indexIVF_stats.ndis
        faiss.cvar.indexIVF_stats.reset()
        lists = self._lists(faiss, index)
        return {"distances": lists.nlist + scanned / searches, "code_bytes": lists.pq.code_size}

    def _lists(self, faiss: Any, index: Any) -> Any:
        return faiss.downcast_index(faiss.extract_index_ivf(index))


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [IVFPQ]
