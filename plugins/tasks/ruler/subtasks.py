"""RULER's subtasks by name."""

from __future__ import annotations

from collections.abc import Mapping

from .needles import NEEDLES
from .prompts import Subtask

SUBTASKS: Mapping[str, Subtask] = {**NEEDLES}
