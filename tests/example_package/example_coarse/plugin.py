"""Coarse: tells numbers in steps. A technique in a package of its own, for the toy laboratory of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.api import Evidence, Method, Traits, hookimpl, knob


@dataclass(frozen=True)
class Coarse(Method):
    step: int = knob(2, low=1, help="what a number is a multiple of; 1 changes nothing")

    name = "coarse"
    traits = Traits(
        "counting", frozenset({"counter"}), seams=frozenset({"after_thought"}), evidence=frozenset({"steps"})
    )
    neutral = {"step": 1}

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        from .algorithm import floored

        evidence = Evidence()

        def round_down(thought: Any) -> None:
            thought.value = floored(thought.value, self.step)
            evidence.record(steps=thought.value // self.step)

        with subject.at("after_thought", round_down):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Coarse]
