"""The images, from the official python batches, packed or not, or from lossless PNG strips (one image a row)."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import tempfile
import zlib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.api import Source, SourceError, UsageError, cache_folder
from harness_plugins.subjects.image_classifier.task import Images

WHOLE = {"train": 50_000, "test": 10_000}
WORDS = {"train": "training", "test": "test"}


class Archive(NamedTuple):
    """How the official python archive of a set is made up."""

    title: str
    file: str
    md5: str
    folder: str
    files: dict[str, str]  # of each split
    labels: bytes
    classes: int


ARCHIVES = {
    "cifar10": Archive(
        "CIFAR-10",
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        "cifar-10-batches-py",
        {"test": "test_batch", "train": "data_batch_[1-5]"},
        b"labels",
        10,
    ),
    "cifar100": Archive(
        "CIFAR-100",
        "cifar-100-python.tar.gz",
        "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-python",
        {"test": "test", "train": "train"},
        b"fine_labels",
        100,
    ),
}


class NoCode(pickle.Unpickler):
    """Reads plain data and numpy arrays; anything else a file names is refused."""

    allowed = frozenset({("numpy", "dtype"), ("numpy", "ndarray")}) | {
        (f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed and (module, name) != ("_codecs", "encode"):
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module, name)


@cache
def read(data: str, path: str | None, split: str) -> Images:
    """The images of a split, from batches or from strips."""
    import numpy as np

    (folder, packed), archive = place(data, path), ARCHIVES[data]
    batches = batches_of(data, folder, split)
    if batches:
        parts, name = [batch(one, archive) for one in batches], f"{archive.title}, python batches"
    else:
        parts, name = [strips(folder, split)], f"{archive.title}, PNG strips"
    pixels = np.concatenate([pixels for pixels, _ in parts])
    labels = [int(label) for _, labels in parts for label in labels]
    if len(pixels) != len(labels) or not set(labels) <= set(range(archive.classes)):
        raise SourceError(f"{folder}: {len(pixels)} images, {len(labels)} labels from {min(labels)} to {max(labels)}")
    digest, whole = hashlib.sha256(pixels.tobytes() + bytes(labels)).hexdigest(), WHOLE[split]
    part = None if len(labels) == whole else f"{len(labels):,} of the {whole:,} {WORDS[split]} images"
    note = ", ".join(filter(None, (part, packed))) or None
    return Images(pixels, labels, Source(name, len(labels), digest, split, note))


class Place(NamedTuple):
    folder: Path
    packed: str | None  # what is known of the archive that it comes from


def place(data: str, path: str | None) -> Place:
    """Where the test images lie."""
    archive = ARCHIVES[data]
    if path is None:
        raise UsageError(
            f"task={data} needs task.path=<{archive.file}, or the folder it unpacks to>; "
            "task.path=download has torchvision fetch it (170 MB)"
        )
    given = downloaded(data) if path == "download" else Path(path).expanduser()
    if not given.exists():
        raise UsageError(f"task.path={path} is not there; give {archive.file}, the folder it unpacks to, or download")
    folder, packed = unpacked(given, data) if given.is_file() else Place(given, None)
    if (folder / archive.folder).is_dir():
        folder = folder / archive.folder
    if not batches_of(data, folder, "test") and not strips_of(folder, "test"):
        wanted = archive.files["test"]
        raise SourceError(f"{path} has neither {wanted} nor test_0.png with labels_test.npy; give task.path= another")
    return Place(folder, packed)


def trainable(data: str, path: str | None) -> bool:
    """Whether there are training images beside the test images."""
    folder = place(data, path).folder
    return bool(batches_of(data, folder, "train") or strips_of(folder, "train"))


@cache
def unpacked(packed: Path, data: str) -> Place:
    """The batches of an archive, unpacked into the cache once, by one command at a time."""
    from filelock import FileLock

    archive = ARCHIVES[data]
    with packed.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    folder = cache_folder() / "datasets" / f"{archive.folder}-{md5[:16]}"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unpack(packed, archive, folder)
    which = "the official archive" if md5 == archive.md5 else "not the official archive"
    return Place(folder, f"{packed.name}, md5 {md5}, {which}")


def unpack(packed: Path, archive: Archive, folder: Path) -> None:
    """Writes its batches and nothing else of it; moved into place when whole."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        part = Path(fresh) / "part"
        part.mkdir()
        try:
            with tarfile.open(packed) as members:
                for member in members:
                    name, held = Path(member.name).name, members.extractfile(member)
                    if held is not None and any(fnmatch(name, one) for one in archive.files.values()):
                        (part / name).write_bytes(held.read())
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise SourceError(f"{packed} can't be unpacked: {error}; fetch {archive.file} again") from error
        part.rename(folder)


@cache
def downloaded(data: str) -> Path:
    """The official archive, fetched by torchvision into the cache and checked against its MD5."""
    try:
        from torchvision import datasets
        from torchvision.datasets.utils import download_url
    except ImportError as error:
        raise UsageError('task.path=download needs torchvision; pip install "harness-ml[vision]"') from error
    official = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[data]
    folder = cache_folder() / "datasets"
    try:
        download_url(official.url, str(folder), official.filename, official.tgz_md5)
    except (OSError, RuntimeError) as error:
        raise SourceError(
            f"can't fetch {official.url}: {error}; fetch it elsewhere and give task.path=<{official.filename}>"
        ) from error
    return folder / official.filename


def batches_of(data: str, folder: Path, split: str) -> list[Path]:
    return sorted(one for one in folder.glob(ARCHIVES[data].files[split]) if one.is_file())


def strips_of(folder: Path, split: str) -> list[Path]:
    if not (folder / f"labels_{split}.npy").is_file():
        return []
    return sorted(folder.glob(f"{split}_*.png"), key=lambda one: (len(one.name), one.name))


def batch(path: Path, archive: Archive) -> tuple[Any, list[int]]:
    import numpy as np

    try:
        with path.open("rb") as file:
            held = NoCode(file, encoding="bytes").load()
        pixels = np.ascontiguousarray(held[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        return pixels, list(held[archive.labels])
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, AttributeError) as error:
        raise SourceError(f"{path} is not a batch of {archive.title}: {error}; fetch it again") from error


def strips(folder: Path, split: str) -> tuple[Any, list[int]]:
    import numpy as np
    from PIL import Image

    try:
        rows = []
        for file in strips_of(folder, split):
            with Image.open(file) as image:
                rows.append(np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3))
        return np.concatenate(rows), np.load(folder / f"labels_{split}.npy", allow_pickle=False).tolist()
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder}: its PNG strips can't be read: {error}; fetch them again") from error
