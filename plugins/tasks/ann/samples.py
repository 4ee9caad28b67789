"""Queries with their exact neighbours, and how many of them an answer holds."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness.api import Sample
from harness_plugins.subjects.vector_collection.exact import truth
from harness_plugins.subjects.vector_collection.files import Named, held

from .data import named

if TYPE_CHECKING:
    from .plugin import Ann


def shape(task: Ann) -> tuple[int, int]:
    """Vectors that are searched, and their dimensions."""
    found = held(named(task)).base.shape
    return int(found[0]), int(found[1])


def queries(task: Ann) -> int:
    return len(held(named(task)).queries)


def samples(task: Ann) -> list[Sample]:
    """Query i is sample i, whatever the seed: builds differ by it, what they are asked does not."""
    found = named(task)
    neighbors = exact(found, task.k, task.samples)
    return [
        Sample(
            number,
            "queries",
            {"vectors": found.plain(), "queries": [number], "k": task.k},
            neighbors[number],
            f"query {number}",
        )
        for number in range(task.samples)
    ]


@lru_cache(maxsize=4)
def exact(found: Named, k: int, count: int) -> list[list[int]]:
    """The file's own where it tells enough of them."""
    vectors = held(found)
    if vectors.neighbors is not None and vectors.neighbors.shape[1] >= k:
        return vectors.neighbors[:count, :k].tolist()  # type: ignore[no-any-return]
    return truth(vectors.base, vectors.queries[:count], k).tolist()  # type: ignore[no-any-return]


class Recalls(NamedTuple):
    close: float  # of those returned, at most as far as the k-th true neighbour, and epsilon: ann-benchmarks' recall
    same: float  # of the true neighbours, returned


def recalls(task: Ann, sample: Sample, ids: list[int]) -> Recalls:
    true, returned = sample.target, ids[: task.k]
    vectors = held(named(task))
    (number,) = sample.request["queries"]
    query = vectors.queries[number]
    limit = distances(vectors.base[true], query, sample.request["vectors"]["metric"]).max() + task.epsilon
    close = (distances(vectors.base[returned], query, sample.request["vectors"]["metric"]) <= limit).sum()
    return Recalls(float(close) / task.k, len(set(true) & set(returned)) / task.k)


def distances(rows: Any, query: Any, metric: str) -> Any:
    """As ann-benchmarks has them: euclidean, or 1 − cosine."""
    apart = np.linalg.norm(rows.astype(np.float64) - query.astype(np.float64), axis=1)
    return apart if metric == "euclidean" else apart**2 / 2
