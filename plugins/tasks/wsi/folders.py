"""Bags, labels and splits of a folder in CLAM's layout, checked against each other."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.api import Source, SourceError, UsageError, cache_folder
from harness_plugins.subjects.bag_classifier import bags

# Columns that name slide, patient (where there is one) and label, in the order they are looked for.
LAYOUTS = {
    "CLAM": ("slide_id", "case_id", "label"),
    "PANDA": ("image_id", None, "isup_grade"),
    "BRACS": ("WSI Filename", "Patient Id", "WSI label"),
    "Camelyon16": ("image", None, "type"),
}
PARTS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}


class Slide(NamedTuple):
    name: str
    patient: str
    label: int
    bag: dict[str, Any]  # file, rows, sha256


class Split(NamedTuple):
    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


class Study(NamedTuple):
    layout: str
    classes: tuple[str, ...]
    slides: dict[str, Slide]
    splits: tuple[Split, ...]
    features: int
    digest: str

    def source(self) -> Source:
        patients = len({one.patient for one in self.slides.values()})
        note = f"{self.layout} labels, {patients} patients, {len(self.splits)} splits, {self.features} features"
        return Source("slides", len(self.slides), self.digest, None, note)


def table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} can't be read ({error}); give a CSV") from error


def labelled(path: Path) -> tuple[str, dict[str, tuple[str, str]]]:
    """The layout, and patient and label of each slide.

    Raises:
        SourceError: columns are missing, a label is, or a slide has two.
    """
    if not path.is_file():
        raise SourceError(f"{path} is not there; say label and patient of each slide in task.labels=<CSV>")
    rows = table(path)
    columns = set(rows[0]) if rows else set()
    layout = next((name for name, (slide, _, label) in LAYOUTS.items() if {slide, label} <= columns), None)
    if layout is None:
        known = "; ".join(f"{name}: {slide}, {label}" for name, (slide, _, label) in LAYOUTS.items())
        raise SourceError(f"{path} has columns {', '.join(sorted(columns)) or 'none'}; known are {known}")
    slide, case, label = LAYOUTS[layout]
    found: dict[str, tuple[str, str]] = {}
    for line, row in enumerate(rows, start=2):
        name = (row[slide] or "").strip()
        name = Path(name).stem if Path(name).suffix.lower() in (".svs", ".ndpi", ".mrxs", ".tif", ".tiff") else name
        value = (row[label] or "").strip()
        if not name or not value:
            raise SourceError(f"{path}, line {line}: {'a label' if name else 'a slide'} is missing")
        if name in found:
            raise SourceError(f"{path}, line {line}: {name} is there twice")
        found[name] = (patient_of(name, row.get(case) if case else None), value)
    return layout, found


def patient_of(slide: str, given: str | None) -> str:
    """As given; of TCGA's slides the first twelve characters; else the slide itself."""
    return (given or "").strip() or (slide[:12] if slide.startswith("TCGA-") else slide)


def ordered(labels: set[str]) -> tuple[str, ...]:
    """Grades by number, names by alphabet: quadratic kappa goes by this order."""
    try:
        return tuple(sorted(labels, key=float))
    except ValueError:
        return tuple(sorted(labels))


def read_splits(folder: Path) -> tuple[Split, ...]:
    files = sorted(folder.glob("splits_*.csv"), key=lambda one: (len(one.name), one.name))
    files = [one for one in files if not one.stem.endswith(("_bool", "_descriptor"))]
    if not files:
        raise SourceError(f"{folder} holds no splits_0.csv; give CLAM's split files as task.splits=<folder>")
    found = []
    for path in files:
        rows = table(path)
        parts = []
        for part, names in PARTS.items():
            column = next((name for name in names if rows and name in rows[0]), None)
            if column is None and part != "validation":
                raise SourceError(f"{path} has no column {names[0]}")
            parts.append(tuple(one for row in rows if column and (one := (row[column] or "").strip())))
        found.append(Split(path.stem.removeprefix("splits_"), *parts))
        check_parts(path, found[-1])
    return tuple(found)


def check_parts(path: Path, split: Split) -> None:
    for part, names in (("train", split.train), ("val", split.validation), ("test", split.test)):
        if not names and part != "val":
            raise SourceError(f"{path} has nothing in {part}")
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice:
            raise SourceError(f"{path}: slide {twice} is in {part} twice")


def check_leaks(path: Path, split: Split, patients: dict[str, str]) -> None:
    parts = {"train": split.train, "val": split.validation, "test": split.test}
    where: dict[str, tuple[str, str]] = {}
    for part, names in parts.items():
        for slide in names:
            other, first = where.setdefault(patients[slide], (part, slide))
            if other != part:
                raise SourceError(
                    f"{path} leaks: patient {patients[slide]} is in {other} (slide {first}) and in {part} "
                    f"(slide {slide}); a patient belongs to one part"
                )


def check_classes(path: Path, split: Split, slides: dict[str, Slide], classes: Sequence[str]) -> None:
    """What is trained on shows every class, and so does what an epoch is chosen on."""
    for part, names in (("train", split.train), ("val", split.validation)):
        shown = {slides[name].label for name in names}
        lacking = [name for number, name in enumerate(classes) if number not in shown]
        if names and lacking:
            raise SourceError(f"{path}: {part} has no slide labelled {', '.join(lacking)}; draw the split again")


def bag_file(folder: Path, slide: str) -> Path:
    for kind, suffix in (("h5_files", ".h5"), ("pt_files", ".pt")):
        path = folder / kind / f"{slide}{suffix}"
        if path.is_file():
            return path
    raise SourceError(f"{folder / 'h5_files' / slide}.h5 is not there, nor {folder / 'pt_files' / slide}.pt")


def measured(path: Path) -> tuple[str, int]:
    """A bag's checksum and number of features; kept in the cache until the file changes."""
    stat = path.stat()
    key = hashlib.sha256(f"{path}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()[:24]
    kept = cache_folder() / "wsi" / "checksums" / key
    if not kept.exists():
        bag = bags.read(str(path))
        told = json.dumps([bags.checksum(bag), bag.shape[1]]).encode()
        bags.write(kept, lambda file: file.write(told))
    digest, width = json.loads(kept.read_text())
    return digest, width


@cache
def study(folder: str | None, labels: str | None, splits: str | None) -> Study:
    """Everything of a study that can be checked before anything is trained.

    Raises:
        UsageError: no folder is given.
        SourceError: what is missing, damaged, or leaks, and in which file.
    """
    if folder is None:
        raise UsageError("task=wsi needs task.bags=<folder in CLAM's layout>, or task.slides=<folder of slides>")
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise SourceError(f"task.bags={folder} is no folder")
    label_file = Path(labels).expanduser() if labels else root / "labels.csv"
    layout, known = labelled(label_file)
    classes = ordered({label for _, label in known.values()})
    if len(classes) < 2:
        raise SourceError(f"{label_file} has one label, {classes[0]}; there is nothing to tell apart")
    split_folder = Path(splits).expanduser() if splits else root / "splits"
    found, slides = read_splits(split_folder), {}
    for split in found:
        path = split_folder / f"splits_{split.name}.csv"
        for name in (*split.train, *split.validation, *split.test):
            if name not in known:
                raise SourceError(f"{path} names slide {name}, which {label_file} gives no label")
            if name not in slides:
                slides[name] = described(root, name, *known[name], classes)
        check_leaks(path, split, {name: one.patient for name, one in slides.items()})
        check_classes(path, split, slides, classes)
    features = same_width(list(slides.values()))
    told = [[one.name, one.patient, one.label, one.bag["sha256"]] for one in slides.values()]
    digest = hashlib.sha256(json.dumps([told, found]).encode()).hexdigest()
    return Study(layout, classes, slides, found, features, digest)


def described(root: Path, name: str, patient: str, label: str, classes: Sequence[str]) -> Slide:
    path = bag_file(root, name)
    return Slide(name, patient, classes.index(label), {"file": str(path), "rows": None, "sha256": measured(path)[0]})


def same_width(slides: list[Slide]) -> int:
    widths = {one.name: measured(Path(one.bag["file"]))[1] for one in slides}
    first = slides[0]
    for one in slides:
        if widths[one.name] != widths[first.name]:
            raise SourceError(
                f"{one.bag['file']} has {widths[one.name]} features an instance, {first.bag['file']} has "
                f"{widths[first.name]}; bags of one study have the same"
            )
    return widths[first.name]
