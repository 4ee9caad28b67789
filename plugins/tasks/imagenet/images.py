"""Photographs in a folder or an archive: which there are, what they show, and each decoded when it is asked for."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, overload

from harness.api import Sample, Source, SourceError, UsageError

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp")
CLASSES, WHOLE = 1000, 50_000


class Listed(NamedTuple):
    place: Path
    names: tuple[str, ...]  # as paths below the place, sorted
    labels: tuple[int, ...]
    strata: tuple[str, ...]  # what people call the class
    source: Source


@cache
def listed(path: str | None, labels: str | None) -> Listed:
    """
    Raises:
        SourceError: no images, or nothing tells what they show.
    """
    if path is None:
        raise UsageError("task=imagenet needs task.path=<folder or .zip with the images>")
    place = Path(path).expanduser().resolve()
    sizes = sizes_in(place)
    names = tuple(sorted(sizes))
    if not names:
        raise SourceError(f"{path} has no images ({', '.join(SUFFIXES)}); give task.path= another folder or .zip")
    strata = tuple(class_of(name) for name in names)
    numbers = from_file(labels, names) if labels else from_names(path, strata)
    told = "".join(f"{name} {sizes[name]} {number}\n" for name, number in zip(names, numbers, strict=True))
    digest = hashlib.sha256(told.encode()).hexdigest()
    note = "checksum of names, sizes and classes"
    if len(names) != WHOLE:
        note = f"not the {WHOLE:,} of the validation split; {note}"
    source = Source(f"ImageNet images of {place.name}", len(names), digest, None, note)
    return Listed(place, names, numbers, strata, source)


def sizes_in(place: Path) -> dict[str, int]:
    """Bytes of each image, by name."""
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            held = archive.infolist()
        return {one.filename: one.file_size for one in held if one.filename.lower().endswith(SUFFIXES)}
    if not place.is_dir():
        raise SourceError(f"{place} is neither a folder nor a .zip; give task.path= another")
    found = (one for one in place.rglob("*") if one.suffix.lower() in SUFFIXES)
    return {one.relative_to(place).as_posix(): one.stat().st_size for one in found}


def class_of(name: str) -> str:
    """The folder of an image, else the first word of its name: `n01440764_tench.jpg`."""
    folder, _, file = name.rpartition("/")
    return folder.rpartition("/")[2] or file.partition("_")[0].partition(".")[0]


def from_names(path: str, strata: Sequence[str]) -> tuple[int, ...]:
    """Classes in the order of their names, as the thousand of ImageNet are numbered."""
    classes = sorted(set(strata))
    if len(classes) != CLASSES:
        raise SourceError(
            f"{path} has images of {len(classes)} classes by folder or first word, and ImageNet's numbers follow from "
            f"the names of all {CLASSES}; say what each shows with task.labels=<file of `<image> <class>` lines>"
        )
    number = {name: place for place, name in enumerate(classes)}
    return tuple(number[name] for name in strata)


def from_file(path: str, names: Sequence[str]) -> tuple[int, ...]:
    try:
        lines = [line.split() for line in Path(path).expanduser().read_text().splitlines() if line.strip()]
        known = {line[0]: int(line[1]) for line in lines}
    except (OSError, ValueError, IndexError) as error:
        raise SourceError(f"task.labels={path} has no lines `<image> <class>`: {error}") from error
    lacking = [name for name in names if not 0 <= known.get(name, -1) < CLASSES]
    if lacking:
        few = f"{len(lacking)} images, {lacking[0]} first"
        raise SourceError(f"task.labels={path} gives no class from 0 to 999 to {few}; add their lines")
    return tuple(known[name] for name in names)


def ordered(images: Listed, seed: int) -> list[int]:
    order = list(range(len(images.names)))
    Random(seed).shuffle(order)
    return order


def pixels(images: Listed, index: int, processor: Any) -> Any:
    """uint8 [height, width, 3], resized and cropped as the model wants it."""
    import numpy as np
    from PIL import Image

    name = images.names[index]
    try:
        if images.place.is_dir():
            held = (images.place / name).read_bytes()
        else:
            with zipfile.ZipFile(images.place) as archive:
                held = archive.read(name)
        with Image.open(io.BytesIO(held)) as opened:
            image = opened.convert("RGB")
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{images.place}: {name} can't be decoded: {error}; fetch it again") from error
    return np.asarray(image if processor is None else processor(image))


class Photographs(Sequence[Sample]):
    """Samples, each decoded when it is asked for."""

    def __init__(self, images: Listed, order: Sequence[int], processor: Any) -> None:
        self.images, self.order, self.processor = images, order, processor

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, number: int) -> Sample: ...
    @overload
    def __getitem__(self, number: slice) -> list[Sample]: ...
    def __getitem__(self, number: int | slice) -> Sample | list[Sample]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        index = self.order[number]
        found = pixels(self.images, index, self.processor)
        request = {"image": b64encode(found.tobytes()).decode(), "size": list(found.shape[:2])}
        return Sample(number, self.images.strata[index], request, self.images.labels[index], self.images.names[index])
