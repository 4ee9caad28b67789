"""Base of methods that decide from which tokens the next one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.api import Evidence, Method, Traits

UNDRAWN = "a next token that is still to be drawn"

SAMPLING = Traits(
    family="sampling",
    subjects=frozenset({"causal-lm"}),
    seams=frozenset({"next_token"}),
    evidence=frozenset({"candidates"}),
    controls=("temperature",),
    requires=frozenset({UNDRAWN}),
)


@dataclass(frozen=True)
class Sampler(Method):
    """Acts on each `Step` of a sequence: sets `step.logits`, and records how many `candidates` it left.

    It is drawn after the last sampler of a stack. One that must see what was drawn calls `step.draw()` itself,
    and breaks UNDRAWN.
    """

    def begin(self, evidence: Evidence) -> Callable[[Any], None]:
        """What to call with each step of one sequence; state kept in it is that sequence's own."""
        raise NotImplementedError

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        evidence = Evidence()
        with subject.at("next_token", lambda: self.begin(evidence)):
            yield evidence
