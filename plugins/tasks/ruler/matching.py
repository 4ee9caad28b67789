"""RULER's string match."""

from __future__ import annotations

import re
from collections.abc import Sequence

CONTROL = re.compile(r"[\x00-\x1f]")


def share_found(answer: str, references: Sequence[str]) -> float:
    """Share of the references that the answer contains, whatever their case: RULER's `string_match_all`."""
    answer = CONTROL.sub("\n", answer.strip()).strip().lower()
    return sum(reference.lower() in answer for reference in references) / len(references)
