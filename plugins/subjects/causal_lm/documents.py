"""Real text by name, and where it is from: the essays, or a file."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from harness.api import Source, SourceError

from . import essays


class Documents(NamedTuple):
    texts: dict[str, str]  # by name
    source: Source


def of_essays(part: str) -> Documents:
    """A part of the essays that everyone has.

    Raises:
        SourceError: they can't be had.
    """
    return Documents({one.name: one.text for one in essays.essays(part)}, essays.source(part))


@cache
def of_file(path: str, setting: str) -> Documents:
    """A text file as one document; `setting` is what named it.

    Raises:
        SourceError: it can't be read.
    """
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{setting}={path} can't be read ({error}); give a text file in UTF-8, "
            "or remove it to use the essays that the harness fetches"
        ) from error
    source = Source(file.name, 1, hashlib.sha256(content).hexdigest(), note=f"{len(content):,} bytes")
    return Documents({file.name: text}, source)
