"""The test images, from the official python batches or from lossless PNG strips (one image a row)."""

from __future__ import annotations

import hashlib
import pickle
from base64 import b64encode
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from harness.api import Sample, Source, SourceError, UsageError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Images(NamedTuple):
    pixels: Any  # uint8 [images, 32, 32, 3]
    labels: list[int]
    source: Source


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
def read(path: str | None) -> Images:
    if path is None:
        raise UsageError("task=cifar10 needs task.path=<folder with cifar-10-batches-py or its test images>")
    folder = Path(path).expanduser()
    if (folder / "cifar-10-batches-py").is_dir():
        folder = folder / "cifar-10-batches-py"
    if (folder / "test_batch").is_file():
        pixels, labels = batch(folder / "test_batch")
        name = "CIFAR-10, python batches"
    elif (folder / "test_0.png").is_file() and (folder / "labels_test.npy").is_file():
        pixels, labels = strips(folder)
        name = "CIFAR-10, PNG strips"
    else:
        raise SourceError(f"{path} has neither test_batch nor test_0.png with labels_test.npy; give task.path= another")
    if len(pixels) != len(labels) or not set(labels) <= set(range(10)):
        raise SourceError(f"{folder}: {len(pixels)} images, {len(labels)} labels from {min(labels)} to {max(labels)}")
    digest = hashlib.sha256(pixels.tobytes() + bytes(labels)).hexdigest()
    note = None if len(labels) == 10_000 else f"{len(labels):,} of the 10,000 test images"
    return Images(pixels, labels, Source(name, len(labels), digest, "test", note))


def batch(path: Path) -> tuple[Any, list[int]]:
    import numpy as np

    try:
        with path.open("rb") as file:
            held = NoCode(file, encoding="bytes").load()
        pixels = np.ascontiguousarray(held[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        return pixels, list(held[b"labels"])
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, AttributeError) as error:
        raise SourceError(f"{path} is not a batch of CIFAR-10: {error}; fetch it again") from error


def strips(folder: Path) -> tuple[Any, list[int]]:
    import numpy as np
    from PIL import Image

    files = sorted(folder.glob("test_*.png"), key=lambda one: (len(one.name), one.name))
    try:
        rows = []
        for file in files:
            with Image.open(file) as image:
                rows.append(np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3))
        return np.concatenate(rows), np.load(folder / "labels_test.npy", allow_pickle=False).tolist()
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder}: its PNG strips can't be read: {error}; fetch them again") from error


def samples(images: Images, seed: int, count: int) -> list[Sample]:
    order = list(range(len(images.labels)))
    Random(seed).shuffle(order)
    return [
        Sample(
            number,
            CLASSES[images.labels[index]],
            {"image": b64encode(images.pixels[index].tobytes()).decode(), "size": [32, 32]},
            images.labels[index],
            f"test image {index}",
        )
        for number, index in enumerate(order[:count])
    ]
