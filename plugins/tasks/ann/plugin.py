"""Nearest neighbours: the protocol of ann-benchmarks, recall against exact neighbours and queries a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import KnobError, Metric, Sample, Score, Source, Task, hookimpl, knob


@dataclass(frozen=True)
class Ann(Task):
    data: str = knob("digits", choices=("digits", "minilm", "synthetic"), help="vectors that every machine can make")
    # What a file holds is hashed as a source; where it lies changes nothing.
    vectors: str | None = knob(None, hashed=False, help="a file in their place: .npy, .npz, or ann-benchmarks' .hdf5")
    metric: str = knob("auto", choices=("auto", "euclidean", "angular"), help="auto: as the vectors' source says")
    k: int = knob(10, low=1, prepared=False, help="neighbours asked for")
    samples: int = knob(200, low=1, hashed=False, help="queries, the first of those there are")
    held_out: int = knob(500, low=1, help="vectors held out as queries, where a file has none of its own")
    epsilon: float = knob(
        1e-3, low=0.0, prepared=False, help="a neighbour counts at the distance of the k-th true one and this much more"
    )
    timed_queries: int = knob(
        200, low=1, prepared=False, help="queries a timed request asks one by one, then all at once"
    )
    points: int = knob(10_000, low=1, help="of synthetic vectors")
    dimensions: int = knob(16, low=1, help="of synthetic vectors")
    clusters: int = knob(0, low=0, help="of synthetic vectors; 0 for one Gaussian")

    name = "ann"
    model = "vectors"
    subjects = frozenset({"vector-collection"})

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric(f"recall@{self.k}", "", True, aggregation="mean"),
            Metric(f"id_recall@{self.k}", "", True, aggregation="mean"),
            Metric("distances", "count", False, aggregation="mean"),
        )

    def planned(self) -> int:
        return self.samples

    def describe(self) -> dict[str, Any]:
        from .data import named
        from .samples import shape

        found, (vectors, dimensions) = named(self), shape(self)
        return {
            "vectors": f"{vectors:,} of {dimensions} dimensions, {found.metric}",
            "k": self.k,
            "whole request": f"one query, a mean over {self.timed_queries} asked one by one",
        }

    def sources(self) -> list[Source]:
        from .data import source
        from .samples import queries, shape

        found = source(self)
        if self.k > (count := shape(self)[0]):
            raise KnobError(f"ann.k={self.k}, and there are {count} vectors to search; lower it")
        if self.samples > (count := queries(self)):
            raise KnobError(f"ann.samples={self.samples}, and there are {count} queries; ask for no more")
        return [found]

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        from .data import named

        return {"vectors": named(self).plain()}

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .samples import samples

        return samples(self)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        from .samples import recalls

        close, same = recalls(self, sample, output["ids"][0])
        counted = output["distances"]
        distances = Score("distances", counted, None if counted is not None else "the library does not count them")
        return [Score(f"recall@{self.k}", close), Score(f"id_recall@{self.k}", same), distances]

    def timed(self, sample: Sample) -> dict[str, Any]:
        from .samples import queries

        there = queries(self)
        asked = [(sample.number + more) % there for more in range(self.timed_queries)]
        return {**sample.request, "queries": asked, "one_by_one": True}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return " ".join(map(str, output["ids"][0]))


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Ann]
