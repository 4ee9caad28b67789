"""Four hundred vectors in sixteen dimensions, and eight queries."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from harness.api import file_digest
from harness.testing import Toy

from .files import Named
from .subject import LoadedVectorCollection


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def make() -> Toy:
    path = Path(folder().name) / "toy.npz"
    if not path.exists():
        rows = np.random.default_rng(0).standard_normal((408, 16), np.float32)
        np.savez(path, train=rows[:400], test=rows[400:])
    vectors = Named(str(path), file_digest(path), "euclidean").plain()
    subject = LoadedVectorCollection(1)
    request = {"vectors": vectors, "queries": list(range(8)), "k": 5}
    return Toy(subject, request, lambda: len(subject._searchers), training={"vectors": vectors})
