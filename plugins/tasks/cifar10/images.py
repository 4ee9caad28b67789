"""The images, from the official python batches or from lossless PNG strips (one image a row)."""

from __future__ import annotations

import hashlib
import pickle
from functools import cache
from pathlib import Path
from typing import Any

from harness.api import Source, SourceError, UsageError
from harness_plugins.subjects.image_classifier.task import Images

WHOLE = {"train": 50_000, "test": 10_000}
WORDS = {"train": "training", "test": "test"}


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
def read(path: str | None, split: str) -> Images:
    """The images of a split, from batches or from strips."""
    import numpy as np

    folder = place(path)
    batches = batches_of(folder, split)
    if batches:
        parts, name = [batch(one) for one in batches], "CIFAR-10, python batches"
    else:
        parts, name = [strips(folder, split)], "CIFAR-10, PNG strips"
    pixels = np.concatenate([pixels for pixels, _ in parts])
    labels = [int(label) for _, labels in parts for label in labels]
    if len(pixels) != len(labels) or not set(labels) <= set(range(10)):
        raise SourceError(f"{folder}: {len(pixels)} images, {len(labels)} labels from {min(labels)} to {max(labels)}")
    digest, whole = hashlib.sha256(pixels.tobytes() + bytes(labels)).hexdigest(), WHOLE[split]
    note = None if len(labels) == whole else f"{len(labels):,} of the {whole:,} {WORDS[split]} images"
    return Images(pixels, labels, Source(name, len(labels), digest, split, note))


def place(path: str | None) -> Path:
    """The folder that holds the test images."""
    if path is None:
        raise UsageError("task=cifar10 needs task.path=<folder with cifar-10-batches-py or its test images>")
    folder = Path(path).expanduser()
    if (folder / "cifar-10-batches-py").is_dir():
        folder = folder / "cifar-10-batches-py"
    if not batches_of(folder, "test") and not strips_of(folder, "test"):
        raise SourceError(f"{path} has neither test_batch nor test_0.png with labels_test.npy; give task.path= another")
    return folder


def trainable(path: str | None) -> bool:
    """Whether there are training images beside the test images."""
    folder = place(path)
    return bool(batches_of(folder, "train") or strips_of(folder, "train"))


def batches_of(folder: Path, split: str) -> list[Path]:
    return sorted(folder.glob("test_batch" if split == "test" else "data_batch_[1-5]"))


def strips_of(folder: Path, split: str) -> list[Path]:
    if not (folder / f"labels_{split}.npy").is_file():
        return []
    return sorted(folder.glob(f"{split}_*.png"), key=lambda one: (len(one.name), one.name))


def batch(path: Path) -> tuple[Any, list[int]]:
    import numpy as np

    try:
        with path.open("rb") as file:
            held = NoCode(file, encoding="bytes").load()
        pixels = np.ascontiguousarray(held[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        return pixels, list(held[b"labels"])
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, AttributeError) as error:
        raise SourceError(f"{path} is not a batch of CIFAR-10: {error}; fetch it again") from error


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
