"""RULER's string match."""

from __future__ import annotations

import re
from collections.abc import Sequence

CONTROL = re.compile(r"[\x00-\x1f]")


def share_found(answer: str, references: Sequence[str]) -> float:
    """Share of the references that the answer contains, whatever their case: RULER's `string_match_all`."""
    found = _found(answer, references)
    return sum(found) / len(found)


def any_found(answer: str, references: Sequence[str]) -> float:
    """1 if the answer contains a reference, whatever its case, else 0: RULER's `string_match_part`."""
    return float(any(_found(answer, references)))


def _found(answer: str, references: Sequence[str]) -> list[bool]:
    answer = CONTROL.sub("\n", answer.strip()).strip().lower()
    return [reference.lower() in answer for reference in references]
