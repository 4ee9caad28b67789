"""Photographs in a folder or an archive: which there are, what they show, and each decoded when it is asked for."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path, PurePosixPath
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
        raise UsageError(
            "task=imagenet needs task.path=<folder or .zip with the images>, such as ILSVRC2012's validation split; "
            "they are not fetched"
        )
    place = Path(path).expanduser().resolve()
    if not place.exists():
        raise UsageError(f"task.path={path} is not there; give the folder or .zip with the images")
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
    """A line `<image> <class>` for each, as spaces or a comma divide them; or the development kit's folder.

    A class is its number, or its name where all thousand are there. Images may be named without their suffix.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return from_kit(place, names)
    try:
        lines = [line.replace(",", " ").split()[:2] for line in place.read_text().splitlines() if line.strip()]
        told = {image: shown for image, shown in lines if image != "ImageId"}  # the head of LOC_val_solution.csv
    except (OSError, ValueError) as error:
        raise SourceError(f"task.labels={path} has no lines `<image> <class>`: {error}") from error
    classes = sorted(set(told.values()))
    named = len(classes) == CLASSES and not all(one.isdecimal() for one in classes)
    number = {name: place for place, name in enumerate(classes)} if named else {str(one): one for one in range(CLASSES)}
    known = [number.get(told.get(name, told.get(PurePosixPath(name).stem, ""))) for name in names]
    lacking = [name for name, one in zip(names, known, strict=True) if one is None]
    if lacking:
        few = f"{len(lacking)} images, {lacking[0]} first"
        raise SourceError(f"task.labels={path} gives no class from 0 to 999 to {few}; add their lines")
    return tuple(one for one in known if one is not None)


def from_kit(kit: Path, names: Sequence[str]) -> tuple[int, ...]:
    """ILSVRC2012's development kit: a number a line for the images in order, and which class each number is."""
    from scipy.io import loadmat

    try:
        truth = [int(line) for line in (kit / "data" / "ILSVRC2012_validation_ground_truth.txt").read_text().split()]
        classes = loadmat(str(kit / "data" / "meta.mat"), squeeze_me=True)["synsets"]
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"task.labels={kit} is no development kit of ILSVRC2012: {error}") from error
    if len(truth) != len(names):
        raise SourceError(f"task.labels={kit} tells of {len(truth)} images, and there are {len(names)}")
    leaves = {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in classes if one["num_children"] == 0}
    number = {name: place for place, name in enumerate(sorted(leaves.values()))}
    return tuple(number[leaves[one]] for one in truth)


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


AHEAD = 4  # images that each loader may be ahead of the one asked for


class Photographs(Sequence[Sample]):
    """Samples, decoded by so many threads ahead of the one asked for, or each when it is asked for.

    Which image a sample is follows from its number alone, whoever decodes it and when.
    """

    def __init__(self, images: Listed, order: Sequence[int], processor: Any, loaders: int = 0) -> None:
        self.images, self.order, self.processor = images, order, processor
        self.pool = ThreadPoolExecutor(loaders, "loader") if loaders else None
        self.coming: dict[int, Future[Sample]] = {}
        self.ahead = AHEAD * loaders

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, number: int) -> Sample: ...
    @overload
    def __getitem__(self, number: slice) -> list[Sample]: ...
    def __getitem__(self, number: int | slice) -> Sample | list[Sample]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        if self.pool is None:
            return self.decoded(number)
        wanted = range(number, min(number + self.ahead + 1, len(self)))
        self.coming = {one: self.coming.get(one) or self.pool.submit(self.decoded, one) for one in wanted}
        return self.coming[number].result()

    def decoded(self, number: int) -> Sample:
        index = self.order[number]
        found = pixels(self.images, index, self.processor)
        request = {"image": b64encode(found.tobytes()).decode(), "size": list(found.shape[:2])}
        return Sample(number, self.images.strata[index], request, self.images.labels[index], self.images.names[index])
