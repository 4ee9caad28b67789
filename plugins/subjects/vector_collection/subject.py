"""A loaded vector collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

import numpy as np

from harness.api import PluginError, Reading, Response

from .exact import Exact
from .files import Held, Named, held
from .index import Searcher
from .plugin import VectorCollection

CLOCK = "perf_counter_ns"


class LoadedVectorCollection(VectorCollection):
    def __init__(self, threads: int) -> None:
        from threadpoolctl import threadpool_limits

        self.threads = threads
        self._limits = threadpool_limits(threads)  # numpy's
        self._searchers: list[Searcher] = []
        self._exact: tuple[Held, Exact] | None = None
        self._alone_ns: list[int] = []  # of the last request, a query each
        self._together = 0  # queries of the last request

    @contextmanager
    def at(self, seam: str, action: Any) -> Iterator[None]:
        self._searchers.append(action)
        try:
            yield
        finally:
            self._searchers.remove(action)

    def collection(self, vectors: dict[str, Any]) -> Held:
        """What the file that a request names holds."""
        return held(Named(**vectors))

    def searcher(self, vectors: Held) -> Any:
        """Who answers now."""
        if self._searchers:
            return self._searchers[-1]
        if self._exact is None or self._exact[0] is not vectors:
            self._exact = (vectors, Exact(vectors.base))
        return self._exact[1]

    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        vectors, k = self.collection(request["vectors"]), request["k"]
        queries, searcher = vectors.queries[request["queries"]], self.searcher(vectors)
        self._alone_ns, self._together = [], len(queries)
        self.mark("queries")
        if request.get("one_by_one"):
            self._alone_ns = one_by_one(searcher.search, [queries[at : at + 1] for at in range(len(queries))], k)
            self.mark("one_by_one")
        found = searcher.search(queries, k)
        self.mark("together")
        distances = searcher.account(len(queries) + len(self._alone_ns))
        ids = [[int(one) for one in row if one >= 0] for row in found]  # -1: nothing more was found
        if any(len(set(row)) < len(row) for row in ids):
            raise PluginError(f"{type(searcher).__name__} found a neighbour twice")
        sizes = {"resident_bytes": float(searcher.index_bytes), "full_bytes": float(vectors.base.nbytes)}
        return Response({"ids": ids, "distances": distances}, sizes)

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        """A query alone, the mean over those of the request; and how many a second, alone and all at once."""
        at = dict(marks)
        batch_s = (at["together"] - at.get("one_by_one", at["queries"])) / 1e9
        batched = Reading("batched_qps", self._together / batch_s, "query/s", CLOCK)
        if not self._alone_ns:
            return [Reading("latency_s", batch_s / self._together, "s", CLOCK), batched]
        mean_s = float(np.mean(self._alone_ns)) / 1e9
        p50, p95 = (float(one) / 1e9 for one in np.percentile(self._alone_ns, (50, 95)))
        detail = {"queries": len(self._alone_ns), "p50_s": p50, "p95_s": p95}
        return [
            Reading("latency_s", mean_s, "s", CLOCK, detail=detail),
            Reading("qps", 1 / mean_s, "query/s", CLOCK),
            batched,
        ]


def one_by_one(search: Any, queries: Sequence[Any], k: int) -> list[int]:
    """Nanoseconds of each, as ann-benchmarks times them: the clock around a call and nothing else between."""
    taken = []
    for query in queries:
        started = perf_counter_ns()
        search(query, k)
        taken.append(perf_counter_ns() - started)
    return taken
