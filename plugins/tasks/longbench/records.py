"""LongBench's records, from its official files: one JSON object a line."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.api import Source, SourceError

from .datasets import DATASETS, Dataset
from .metrics import METRICS

HUB = "hub"
REPOSITORY, ARCHIVE = "THUDM/LongBench", "data.zip"


@dataclass(frozen=True)
class Record:
    id: str
    context: str
    question: str  # `input` in the files; empty where the template asks none
    answers: tuple[str, ...]
    classes: tuple[str, ...]  # `all_classes`; empty where the answer is not one of a list
    length: int  # words, or characters of Chinese, as LongBench counted them

    @property
    def bucket(self) -> str:
        """Of length, as LongBench-E reports it."""
        return "0-4k" if self.length < 4000 else "4-8k" if self.length < 8000 else "8k+"


BUCKETS = ("0-4k", "4-8k", "8k+")


@dataclass(frozen=True)
class File:
    """One dataset's records, all of them checked."""

    name: str
    records: tuple[Record, ...]
    sha256: str
    origin: str
    complete: int  # rows of the official file

    def source(self) -> Source:
        count = len(self.records)
        rows = f"all {count:,} rows" if count == self.complete else f"{count:,} of {self.complete:,} rows"
        # The name holds no path: the same bytes from elsewhere are the same data.
        return Source(f"LongBench {self.name}", count, self.sha256, "test", note=f"{rows}; {self.origin}")


@cache
def read(path: str, name: str, extended: bool) -> File:
    """The file of one dataset, from a folder or the hub.

    Raises:
        SourceError: it can't be had, or a record lacks what its prompt or its score needs.
    """
    dataset = DATASETS[name]
    stem, complete = (f"{name}_e", dataset.extended_rows) if extended else (name, dataset.rows)
    content, origin = from_hub(stem) if path == HUB else from_folder(Path(path), stem)
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines:
        raise SourceError(f"{stem}.jsonl is empty; {remedy()}")
    records = tuple(record(dataset, line, f"{stem}.jsonl, line {number}") for number, line in enumerate(lines, 1))
    return File(stem, records, hashlib.sha256(content).hexdigest(), origin, complete or 0)


def from_folder(folder: Path, stem: str) -> tuple[bytes, str]:
    file = folder / f"{stem}.jsonl"
    if not folder.is_dir():
        raise SourceError(f"longbench.path={folder} is no folder; {remedy()}")
    if not file.is_file():
        there = sorted(path.stem for path in folder.glob("*.jsonl"))
        holds = f"it holds {', '.join(there)}" if there else "it holds no .jsonl file"
        raise SourceError(f"longbench.path={folder} has no {file.name}; {holds}; {remedy()}")
    return file.read_bytes(), file.name


def from_hub(stem: str) -> tuple[bytes, str]:
    archive = hub_archive()
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.read(f"data/{stem}.jsonl"), f"{ARCHIVE} of {REPOSITORY}, commit {archive.parent.name}"
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{archive} can't be read ({error}); delete it and try again") from error


@cache
def hub_archive() -> Path:
    """LongBench's archive of all its files (114 MB), fetched once into the hub's own cache."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(REPOSITORY, ARCHIVE, repo_type="dataset"))
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(f"{ARCHIVE} of {REPOSITORY} can't be fetched from the hub ({reason}); {remedy()}") from error


def remedy() -> str:
    return f"set task.path to a folder of LongBench's .jsonl files, unpacked from {ARCHIVE} of its hub page"


def record(dataset: Dataset, line: bytes, where: str) -> Record:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise SourceError(f"{where} is no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise SourceError(f"{where} is no JSON object")
    metric = METRICS[dataset.metric]
    classes = texts(fields, "all_classes", where) if dataset.metric == "classification" else ()
    answers = texts(fields, "answers", where)
    for answer in answers:
        if not re.search(metric.reference, answer):
            raise SourceError(f"{where}: answer {answer!r} does not hold {metric.reference!r}, so it can't be scored")
    return Record(
        id=text(fields, "_id", where),
        context=text(fields, "context", where),
        question=text(fields, "input", where) if dataset.asks else "",
        answers=answers,
        classes=classes,
        length=whole(fields, "length", where),
    )


def text(fields: Mapping[str, Any], name: str, where: str) -> str:
    value = present(fields, name, where)
    if not isinstance(value, str) or not value.strip():
        raise SourceError(f"{where}: {name!r} must be text, got {value!r}")
    return value


def texts(fields: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = present(fields, name, where)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise SourceError(f"{where}: {name!r} must be a list of texts, got {value!r}")
    return tuple(value)


def whole(fields: Mapping[str, Any], name: str, where: str) -> int:
    value = present(fields, name, where)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SourceError(f"{where}: {name!r} must be a whole number, got {value!r}")
    return value


def present(fields: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in fields:
        raise SourceError(f"{where} has no {name!r}; it has {', '.join(fields)}: not LongBench's own format")
    return fields[name]
