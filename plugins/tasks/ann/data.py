"""Where the vectors come from: a file of the user's, or one that is made once and kept in the cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api import Source, SourceError, cache_folder, file_digest
from harness_plugins.subjects.vector_collection.files import Named, held, read

if TYPE_CHECKING:
    from .plugin import Ann


def named(task: Ann) -> Named:
    """The file that requests name."""
    path = given(task.vectors) if task.vectors is not None else made(task)
    metric = task.metric
    if metric == "auto":
        metric = own_metric(path) or ("angular" if task.vectors is None and task.data == "minilm" else "euclidean")
    return Named(str(path), digest(path, path.stat().st_mtime_ns), metric, task.held_out)


def source(task: Ann) -> Source:
    found = named(task)
    vectors = held(found)
    name = Path(task.vectors).name if task.vectors is not None else NAMES[task.data]
    note = f"{len(vectors.queries):,} queries"
    return Source(name, len(vectors.base), found.sha256, note=note)


@lru_cache(maxsize=8)
def digest(path: Path, changed: int) -> str:
    return file_digest(path)


@cache
def own_metric(path: Path) -> str | None:
    return read(str(path)).metric if path.suffix in (".hdf5", ".h5") else None


def given(path: str) -> Path:
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise SourceError(f"task.vectors={path} is no file; give an .npy, .npz or .hdf5 file of vectors")
    return file


def made(task: Ann) -> Path:
    """The file of vectors that every machine can make, made if need be."""
    from filelock import FileLock

    make, name = MAKERS[task.data], task.data
    if task.data == "synthetic":
        name = f"synthetic-{task.points}-{task.dimensions}-{task.clusters}"
    folder = cache_folder() / "vectors"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{REVISION}.npz"
    if not path.exists():
        with FileLock(f"{path}.lock"):
            if not path.exists():
                write(path, make(task))
    return path


def write(path: Path, arrays: dict[str, Any]) -> None:
    """What is half written is never seen."""
    handle, fresh = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        np.savez(file, **arrays)
    os.replace(fresh, path)


def digits(task: Ann) -> dict[str, Any]:
    from sklearn.datasets import load_digits

    return {"vectors": load_digits().data.astype(np.float32)}


def synthetic(task: Ann) -> dict[str, Any]:
    """One Gaussian, or as many as `clusters` of a tenth of its width around centres drawn from it."""
    rng = np.random.default_rng(0)
    total = task.points + SYNTHETIC_QUERIES
    rows = rng.standard_normal((total, task.dimensions), np.float32)
    if task.clusters:
        centres = rng.standard_normal((task.clusters, task.dimensions), np.float32)
        rows = centres[rng.integers(task.clusters, size=total)] + rows / 10
    return {"train": rows[: task.points], "test": rows[task.points :]}


def minilm(task: Ann) -> dict[str, Any]:
    from .minilm import embedded_essays

    return {"vectors": embedded_essays()}


REVISION = 1  # raise it when the same vectors would be made otherwise
SYNTHETIC_QUERIES = 1000
MAKERS: dict[str, Callable[[Ann], dict[str, Any]]] = {"digits": digits, "minilm": minilm, "synthetic": synthetic}
NAMES = {
    "digits": "scikit-learn's digits",
    "minilm": "essays by Paul Graham, sentences in MiniLM",
    "synthetic": "synthetic Gaussian vectors",
}
