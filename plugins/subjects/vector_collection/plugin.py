"""Vector collections: what methods and tasks may know of them without reading one.

A request to a vector collection is a plain dict; the numbers themselves stay in their file:

    vectors      the file (`Named` in files.py): path, sha256, metric, held_out
    queries      which of its queries: their numbers
    k            how many neighbours of each
    one_by_one   optional: whether each query is first asked alone, under a clock of its own

and its output is `{"ids": [those of the neighbours found, nearest first, for each query], "distances": how many were
computed a query, or None where the library does not count them}`. Where nothing is
applied the search is exact. Whoever acts at `search` gives a `Searcher` (index.py), which answers in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.api import Device, Model, Seam, Subject, hookimpl


class VectorCollection(Subject):
    kind = "vector-collection"
    revision = 1
    seams: ClassVar[Mapping[str, Seam]] = {
        "search": Seam("a Searcher, read in once, answers in place of exact search", held=True),
    }

    @classmethod
    def toy(cls) -> Any:
        from .toy import make

        return make()


@dataclass(frozen=True)
class Vectors(Model):
    """Holds no vectors of its own: each request names a file."""

    name = "vectors"
    kind = "vector-collection"

    def present(self) -> bool | None:
        return True

    def fetch(self) -> dict[str, Any]:
        return {"path": "", "revision": "1"}

    def load(self, location: dict[str, Any], device: Device) -> Any:
        from .subject import LoadedVectorCollection

        return LoadedVectorCollection(device.threads)


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [VectorCollection]


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Vectors]
