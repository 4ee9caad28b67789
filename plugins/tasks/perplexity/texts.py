"""Where the text comes from: the essays, a file, or a dataset on the hub."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from harness.api import Source, SourceError
from harness_plugins.subjects.causal_lm.documents import Documents, of_essays, of_file

if TYPE_CHECKING:
    from .plugin import Perplexity


def texts(task: Perplexity) -> Documents:
    """What a task scores.

    Raises:
        SourceError: it can't be had.
    """
    if task.text is not None:
        return of_file(task.text, "perplexity.text")
    if task.dataset is not None:
        return from_hub(task.dataset, task.config, task.split, task.column)
    return of_essays(task.part)


@cache
def from_hub(dataset: str, config: str | None, split: str, column: str) -> Documents:
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
    return Documents({name: text}, source)
