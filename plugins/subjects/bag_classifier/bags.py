"""Bags in files: written whole or not at all, checked when they are read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import SourceError, cache_folder


def place(file: str) -> Path:
    return cache_folder() / file  # an absolute path stays itself


def read(file: str, rows: list[int] | None = None, sha256: str | None = None) -> np.ndarray:
    """float32 [instances, features].

    Raises:
        SourceError: it can't be read, is not such an array, or is not what `sha256` says.
    """
    path = place(file)
    try:
        array = READERS[path.suffix](path)
    except KeyError as error:
        raise SourceError(f"{path} is not a file of bags; {', '.join(READERS)} are read") from error
    except Exception as error:
        raise SourceError(f"{path} can't be read as a bag ({type(error).__name__}: {error}); make it again") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise SourceError(f"{path} holds {array.dtype} of shape {list(array.shape)}; a bag is [instances, features]")
    if rows is not None and not 0 <= rows[0] <= rows[1] <= len(array):
        raise SourceError(f"{path} has {len(array)} rows, a bag of it is said to end at {rows[1]}; make it again")
    bag = np.array(array if rows is None else array[rows[0] : rows[1]], dtype=np.float32, order="C")
    if not len(bag):
        raise SourceError(f"{path} holds a bag without instances (rows {rows or 'all'})")
    if not np.isfinite(bag).all():
        raise SourceError(f"{path} holds numbers that are not finite (rows {rows or 'all'})")
    if sha256 is not None and checksum(bag) != sha256:
        raise SourceError(f"{path} has changed since its checksum was taken (rows {rows or 'all'}); make it again")
    return bag


def checksum(bag: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(bag, np.float32)).hexdigest()


def read_npy(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def read_pt(path: Path) -> np.ndarray:
    import torch

    held: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if not isinstance(held, torch.Tensor):
        raise TypeError(f"holds a {type(held).__name__}, not a tensor")
    return held.float().numpy()


def read_h5(path: Path) -> np.ndarray:
    import h5py

    with h5py.File(path, "r") as opened:
        return opened["features"][:]


READERS: dict[str, Callable[[Path], np.ndarray]] = {".npy": read_npy, ".pt": read_pt, ".h5": read_h5}


def write(path: Path, save: Callable[[Any], None]) -> None:
    """`save` gets an open file; `path` is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
        try:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
