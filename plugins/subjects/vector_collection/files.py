"""Files of vectors: numpy's, and HDF5 as ann-benchmarks writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from harness.api import SourceError, file_digest

Array = NDArray[np.float32]
METRICS = ("euclidean", "angular")


@dataclass(frozen=True)
class Named:
    """A file of vectors, as requests name it."""

    path: str
    sha256: str
    metric: str  # euclidean; angular: rows are scaled to length 1
    held_out: int = 0  # vectors drawn from it as queries, where it has none of its own

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Held:
    """What a file holds."""

    base: Array  # [vectors, dimensions]: what is searched
    queries: Array  # [queries, dimensions]
    neighbors: NDArray[np.int64] | None = None  # [queries, many]: ids of the nearest, nearest first, where it tells
    metric: str | None = None  # where it tells


@lru_cache(maxsize=2)
def held(named: Named) -> Held:
    """A file's vectors, ready to be searched: float32, queries held out, scaled where the metric is angular.

    Raises:
        SourceError: it can't be read, or is another file than was named.
    """
    found = file_digest(Path(named.path))
    if found != named.sha256:
        raise SourceError(f"{named.path} has changed: its SHA-256 is {found[:12]}…, {named.sha256[:12]}… was expected")
    vectors = read(named.path)
    if not len(vectors.queries):
        vectors = hold_out(vectors, named)
    if named.metric == "angular":
        base, queries = unit(vectors.base, named.path), unit(vectors.queries, named.path)
        vectors = replace(vectors, base=base, queries=queries)
    return vectors


def hold_out(vectors: Held, named: Named) -> Held:
    """Queries drawn once, the same for every seed, and no longer among what is searched."""
    count = len(vectors.base)
    if named.held_out >= count:
        raise SourceError(
            f"{named.path} has no queries of its own and {count} vectors, too few to hold out {named.held_out}; "
            "lower task.held_out"
        )
    order = np.random.default_rng(0).permutation(count)
    drawn, kept = order[: named.held_out], np.sort(order[named.held_out :])
    return Held(vectors.base[kept], vectors.base[drawn])


def unit(vectors: Array, path: str) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise SourceError(f"{path} holds a vector of zeros, which has no angle; use task.metric=euclidean")
    return vectors / lengths


def read(path: str) -> Held:
    """What lies in a file, as it is.

    Raises:
        SourceError: why it can't be read.
    """
    file = Path(path)
    if file.suffix not in READERS:
        raise SourceError(f"{path}: vectors are read from {', '.join(READERS)}; give such a file")
    try:
        arrays, metric = READERS[file.suffix](file)
    except (OSError, ValueError, EOFError, BadZipFile, KeyError) as error:
        raise SourceError(f"{path} can't be read, it may be truncated ({error}); fetch or write it again") from error
    return chosen(arrays, metric, path)


def chosen(arrays: Mapping[str, Any], metric: str | None, path: str) -> Held:
    """`train`, `test` and `neighbors`, or the only array there is."""
    if "train" in arrays and "test" in arrays:
        base, queries = checked(arrays["train"], f"{path}: train"), checked(arrays["test"], f"{path}: test")
        if base.shape[1] != queries.shape[1]:
            raise SourceError(
                f"{path}: train has {base.shape[1]} dimensions, test {queries.shape[1]}; they must be the same"
            )
        neighbors = arrays.get("neighbors")
        if neighbors is not None and (len(neighbors) != len(queries) or neighbors.max() >= len(base)):
            raise SourceError(f"{path}: neighbors are not those of its test and train vectors; remove or mend them")
        return Held(base, queries, neighbors, metric)
    if len(arrays) != 1:
        names = ", ".join(sorted(arrays)) or "nothing"
        raise SourceError(f"{path} holds {names}; it must hold train and test, or one array of vectors")
    (only,) = arrays.values()
    base = checked(only, path)
    return Held(base, base[:0], None, metric)


def checked(array: Any, what: str) -> Array:
    if array.ndim != 2 or not array.size:
        raise SourceError(f"{what} has shape {list(array.shape)}; it must be [vectors, dimensions]")
    if array.dtype.kind not in "fiu":
        raise SourceError(f"{what} holds {array.dtype}; only numbers can be searched (euclidean, angular)")
    found = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(found).all():
        raise SourceError(f"{what} holds numbers that are not finite; remove those vectors")
    return found


def from_npy(file: Path) -> tuple[dict[str, Any], str | None]:
    return {file.stem: np.load(file, allow_pickle=False)}, None


def from_npz(file: Path) -> tuple[dict[str, Any], str | None]:
    with file.open("rb") as raw, np.load(raw, allow_pickle=False) as opened:
        return {name: opened[name] for name in opened.files}, None


def from_hdf5(file: Path) -> tuple[dict[str, Any], str | None]:
    try:
        import h5py
    except ImportError as error:
        raise SourceError(f"{file} is HDF5, which needs h5py: pip install 'harness-ml[ann]'") from error
    with h5py.File(file) as opened:
        metric = opened.attrs.get("distance")
        metric = metric.decode() if isinstance(metric, bytes) else metric
        if metric not in (*METRICS, None):
            raise SourceError(f"{file} is of distance {metric}; only {' and '.join(METRICS)} can be searched")
        names = [name for name, one in opened.items() if isinstance(one, h5py.Dataset) and name != "distances"]
        return {name: opened[name][()] for name in names}, metric


READERS = {".npy": from_npy, ".npz": from_npz, ".hdf5": from_hdf5, ".h5": from_hdf5}
