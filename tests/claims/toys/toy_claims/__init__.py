"""A method whose skill and size are knobs, so that what is true of it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import (
    Evidence,
    Method,
    Metric,
    Model,
    Response,
    Sample,
    Score,
    Seam,
    Subject,
    Task,
    Traits,
    hookimpl,
    knob,
)

FULL = 1000


class Slate(Subject):
    kind = "slate"
    seams = {"written": Seam("called with what is written")}

    def __init__(self) -> None:
        self.actions: list[Any] = []

    @contextmanager
    def at(self, seam: str, action: Any) -> Iterator[None]:
        self.actions.append(action)
        try:
            yield
        finally:
            self.actions.remove(action)

    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        written = {"number": request["number"], "right": True, "bytes": FULL}
        for action in self.actions:
            action(written)
        return Response({"right": written["right"]}, {"resident_bytes": written["bytes"], "full_bytes": FULL})


@dataclass(frozen=True)
class SlateModel(Model):
    size: int = knob(1, help="which model it is")
    precision: str = knob("auto", choices=("auto", "fine", "coarse"), help="decided by the device")

    name = "slate"
    kind = "slate"

    def resolved(self, device: Any) -> SlateModel:
        return SlateModel(self.size, "fine" if self.precision == "auto" else self.precision)

    def fetch(self) -> dict[str, Any]:
        return {"path": str(Path(__file__).parent), "revision": f"{self.size}"}

    def load(self, location: dict[str, Any], device: Any) -> Slate:
        return Slate()


@dataclass(frozen=True)
class Reading(Task):
    samples: int = knob(30, low=1, hashed=False, help="lines to read")
    light: str = knob("day", choices=("day", "night"), help="when they are read")

    name = "reading"
    subjects = frozenset({"slate"})
    metrics = (Metric("right", "%", True, scale=100.0),)

    def planned(self) -> int:
        return self.samples

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        return [Sample(one, "line", {"number": one, "seed": seed}, one, f"line {one}") for one in range(self.samples)]

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        return [Score("right", float(output["right"]))]


@dataclass(frozen=True)
class Shrink(Method):
    """Gets `skill` of ten lines right."""

    skill: int = knob(10, low=0, high=10, help="lines of ten it gets right")
    size: int = knob(500, low=1, high=FULL, help="bytes kept")

    name = "shrink"
    traits = Traits("toys", frozenset({"slate"}), frozenset({"written"}), frozenset({"size"}))

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        evidence = Evidence()

        def act(written: dict[str, Any]) -> None:
            written["right"] = written["number"] % 10 < self.skill
            written["bytes"] = self.size
            evidence.record(size=self.size)

        with subject.at("written", act):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Shrink]


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Reading]


@hookimpl
def harness_models() -> list[type[Model]]:
    return [SlateModel]


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [Slate]
