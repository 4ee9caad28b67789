"""Where the text comes from: the essays, a file, or a dataset on the hub."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import Source, SourceError
from harness_plugins.subjects.causal_lm import essays

if TYPE_CHECKING:
    from .plugin import Perplexity


@dataclass(frozen=True)
class Texts:
    documents: dict[str, str]  # by name
    source: Source


def texts(task: Perplexity) -> Texts:
    """What a task scores.

    Raises:
        SourceError: it can't be had.
    """
    if task.text is not None:
        return given(task.text)
    if task.dataset is not None:
        return from_hub(task.dataset, task.config, task.split, task.column)
    return Texts({one.name: one.text for one in essays.essays(task.part)}, essays.source(task.part))


@cache
def given(path: str) -> Texts:
    remedy = "give a text file in UTF-8, or remove it to use the essays that the harness fetches"
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"perplexity.text={path} can't be read ({error}); {remedy}") from error
    source = Source(file.name, 1, hashlib.sha256(content).hexdigest(), note=f"{len(content):,} bytes")
    return Texts({file.name: text}, source)


@cache
def from_hub(dataset: str, config: str | None, split: str, column: str) -> Texts:
    """All rows of a split as one text, joined by blank lines."""
    from datasets import load_dataset

    name = dataset if config is None else f"{dataset}, {config}"
    try:
        rows = load_dataset(dataset, config, split=split)
    except Exception as error:  # of the hub, the network, or what the files hold
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"perplexity.dataset={dataset} can't be loaded: {reason}; check its name, task.config and task.split, "
            "or give a file with task.text"
        ) from error
    if column not in rows.column_names:
        raise SourceError(
            f"{name} has no column {column!r}, it has {', '.join(rows.column_names)}; set task.column to one of these"
        )
    text = "\n\n".join(map(str, rows[column]))
    source = Source(name, len(rows), hashlib.sha256(text.encode()).hexdigest(), split, f"{len(text.encode()):,} bytes")
    return Texts({name: text}, source)
