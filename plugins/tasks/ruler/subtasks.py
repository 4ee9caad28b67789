"""RULER's subtasks by name, and its categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .needles import NEEDLES
from .prompts import Subtask
from .questions import QUESTIONS
from .tracking import Tracking
from .words import CodedWords, CommonWords

WORDS: Mapping[str, Subtask] = {"cwe": CommonWords(), "fwe": CodedWords()}
SUBTASKS: Mapping[str, Subtask] = {**NEEDLES, "vt": Tracking(), **WORDS, **QUESTIONS}
GROUPS: Mapping[str, tuple[str, ...]] = {
    "niah": tuple(NEEDLES),
    "aggregation": tuple(WORDS),
    "qa": tuple(QUESTIONS),
    "all": tuple(SUBTASKS),
}


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """Subtasks, groups among the names replaced by their members."""
    return tuple(member for name in names for member in GROUPS.get(name, (name,)))
