"""What index methods share: they build once, are read in once, and answer in place of exact search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any, Protocol

from harness.api import Evidence, IncompatibleError, Method, Preparation, Reading, Traits, knob

FILE = "index"
INDEX = Traits(
    family="index",
    subjects=frozenset({"vector-collection"}),
    seams=frozenset({"search"}),
    evidence=frozenset({"index_bytes"}),
    prepares="builds",
)


class Searcher(Protocol):
    """Answers in place of exact search."""

    index_bytes: int

    def search(self, queries: Any, k: int) -> Any:
        """Ids of the k nearest, nearest first; [queries, k], -1 where there are no more. It is timed."""
        ...

    def account(self, searches: int) -> float | None:
        """Called after a request, off the clock, with how many searches it was: the time to record evidence.

        Returns the distances computed a search, None where the library does not count them.
        """
        ...


@dataclass(frozen=True)
class Index(Method):
    """Builds an index from the task's vectors; several builds are several seeds."""

    build_threads: int = knob(1, low=1, help="threads that build; with several, a build is another each time")

    traits = INDEX

    def ready(self) -> None:
        """Imports what it needs, so that the build's time is the build's alone."""

    def construct(self, base: Any, seed: int) -> Any:
        """The index of `base`, float32 [vectors, dimensions]. Its time is the build time."""
        raise NotImplementedError

    def save(self, built: Any, path: Path) -> None:
        raise NotImplementedError

    def open(self, path: Path, threads: int, evidence: Evidence) -> Searcher:
        """A searcher that records what the library counts of each request."""
        raise NotImplementedError

    def prepare(self, preparation: Preparation) -> None:
        vectors = preparation.subject.collection(preparation.training["vectors"])
        self.ready()
        started = time.perf_counter()
        built = self.construct(vectors.base, preparation.seed)
        took_s = time.perf_counter() - started
        path = preparation.folder / FILE
        self.save(built, path)
        preparation.readings += [
            Reading("build_s", took_s, "s", "perf_counter"),
            Reading("index_bytes", float(path.stat().st_size), "B", "its file's size"),
        ]

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        assert artifact is not None
        evidence = Evidence()
        searcher = self.open(artifact / FILE, subject.threads, evidence)
        evidence.record(index_bytes=searcher.index_bytes)
        with subject.at("search", searcher):
            yield evidence


@dataclass(frozen=True)
class FaissIndex(Index):
    """An index of faiss, which writes and reads it, and counts distances."""

    def ready(self) -> None:
        library("faiss")

    def construct(self, base: Any, seed: int) -> Any:
        faiss = library("faiss")
        faiss.omp_set_num_threads(self.build_threads)
        index = self.make(faiss, base.shape[1], len(base), seed)
        index.train(base)
        index.add(base)
        return index

    def make(self, faiss: Any, dimensions: int, vectors: int, seed: int) -> Any:
        """The empty index.

        Raises:
            IncompatibleError: these settings don't suit that many dimensions or vectors.
        """
        raise NotImplementedError

    def adjust(self, faiss: Any, index: Any) -> None:
        """Sets what a search needs, once it was read in."""

    def counted(self, faiss: Any, index: Any, searches: int) -> dict[str, float]:
        """What the library counted since the last call, for each query; here, that it compares all vectors."""
        return {"distances": index.ntotal}

    def save(self, built: Any, path: Path) -> None:
        library("faiss").write_index(built, str(path))

    def open(self, path: Path, threads: int, evidence: Evidence) -> Searcher:
        faiss = library("faiss")
        faiss.omp_set_num_threads(threads)
        index = faiss.read_index(str(path))
        self.adjust(faiss, index)
        self.counted(faiss, index, 1)  # what others had it count is none of this one's
        return FaissSearcher(index, path, lambda searches: self.counted(faiss, index, searches), evidence)


class FaissSearcher:
    def __init__(self, index: Any, path: Path, counted: Callable[[int], dict[str, float]], evidence: Evidence) -> None:
        search = index.search
        self.search = lambda queries, k: search(queries, k)[1]
        self.index_bytes = path.stat().st_size
        self._counted, self._evidence = counted, evidence

    def account(self, searches: int) -> float | None:
        counted = self._counted(searches)
        self._evidence.record(**counted)
        return float(counted["distances"])


def library(name: str, extra: str = "ann") -> Any:
    """A library of indexes.

    Raises:
        IncompatibleError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise IncompatibleError(f"{name} is not installed; pip install 'harness-ml[{extra}]'") from error


def parts(wanted: int | None, dimensions: int) -> int:
    """Sub-vectors of a product quantizer: as asked, else one to every eight dimensions, or the next fewer that fit.

    Raises:
        IncompatibleError: they don't divide the dimensions.
    """
    if wanted is None:
        return next(m for m in range(max(1, dimensions // 8), 0, -1) if dimensions % m == 0)
    if dimensions % wanted:
        near = gcd(wanted, dimensions)
        raise IncompatibleError(f"m={wanted} does not divide the {dimensions} dimensions; {near} would, or null")
    return wanted


def enough(vectors: int, centroids: int, what: str) -> None:
    """
    Raises:
        IncompatibleError: k-means can't find so many centroids among these vectors.
    """
    if vectors < centroids:
        raise IncompatibleError(f"{what} takes {centroids} centroids, and there are {vectors} vectors; lower it")
