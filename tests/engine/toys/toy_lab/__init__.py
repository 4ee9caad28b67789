"""Counting: a whole laboratory without torch, whose methods fail in every way there is.

`TOY_LOG` names a file that hears of everything executed: `answer shift 3` for a sample of the
quality pass, `respond 3` for every request, timed ones included.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from random import Random
from typing import Any

from harness.api import (
    Evidence,
    Method,
    Metric,
    Model,
    Preparation,
    Reading,
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

KEPT = 7


def log(line: str) -> None:
    if path := os.environ.get("TOY_LOG"):
        with Path(path).open("a") as file:
            file.write(line + "\n")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


class Thought:
    """What a method may change."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.value = 2 * number


class Counter(Subject):
    kind = "counter"
    seams: Mapping[str, Seam] = {
        "after_thought": Seam("called with a Thought before it is told"),
        "habit": Seam("called with a Thought, after what was put there once", held=True),
    }

    @classmethod
    def toy(cls) -> Any:
        from harness.testing import Toy

        counter = cls(0.0)
        return Toy(counter, {"number": 3}, lambda: (list(counter.actions), counter.marker))

    def __init__(self, pause: float, noise: float = 0.0, seed: int = 0) -> None:
        self.pause = pause
        self.noise = noise
        self.actions: list[Any] = []
        self.spent_s = 0.0
        if noise:
            log("load")
            self.random = Random(f"{seed}/{Path(os.environ['TOY_LOG']).read_text().count('load')}")
            self.pace = exp(self.random.gauss(0, noise))

    def spend(self, seconds: float) -> None:
        """Takes time; where there is noise to be told, only says so."""
        self.spent_s += seconds
        if not self.noise:
            time.sleep(seconds)

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        if not self.noise:
            return super().durations(start_ns, marks, end_ns)
        told_s = self.spent_s * self.pace * exp(self.random.gauss(0, self.noise))
        return [Reading("latency_s", told_s, "s", "told")]

    @contextmanager
    def at(self, seam: str, action: Any) -> Iterator[None]:
        self.actions.append(action)
        try:
            yield
        finally:
            self.actions.remove(action)

    def answer(self, request: dict[str, Any], arms: Sequence[Any]) -> Iterator[Any]:
        methods = [method for arm in arms for method in arm.stack.methods]
        if any(isinstance(one, Failing) and one.how == "shared" and one.at == request["number"] for one in methods):
            crash()  # in work that all arms share, so that nothing tells whose fault it is
        for arm in arms:
            if any(isinstance(one, Failing) and one.how == "skipped" for one in arm.stack.methods):
                continue
            log(f"answer {arm.stack.label} {request['number']}")
            yield from super().answer(request, [arm])

    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        log(f"respond {request['number']}")
        self.spent_s = 0.0
        self.spend(self.pause)
        thought = Thought(request["number"])
        for action in self.actions:
            action(thought)
        return Response({"value": thought.value}, observed={"kept": KEPT})


@dataclass(frozen=True)
class CounterModel(Model):
    pause: float = knob(0.0, low=0.0, hashed=False, help="seconds a request takes")
    broken: bool = knob(False, help="whether it can't be loaded")
    noise: float = knob(0.0, low=0.0, help="spread of a clock that only tells the pauses: of processes, of requests")
    clock: int = knob(0, low=0, help="seeds that clock")

    name = "counter"
    kind = "counter"

    def fetch(self) -> dict[str, Any]:
        return {"path": str(Path(__file__).parent), "revision": "1"}

    def load(self, location: dict[str, Any], device: Any) -> Counter:
        if self.broken:
            raise ValueError("the weights are gone")
        return Counter(self.pause, self.noise, self.clock)


@dataclass(frozen=True)
class Counting(Task):
    samples: int = knob(4, low=1, hashed=False, help="numbers to double")
    scoring: str = knob("once", choices=("once", "twice", "raise", "none", "untimed"), help="how well it works")

    name = "counting"
    subjects = frozenset({"counter"})
    metrics = (Metric("right", "%", True, scale=100.0),)

    def planned(self) -> int:
        return self.samples

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        return {"lesson": 5}

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        if self.scoring == "none":
            raise LookupError("no numbers left")
        return [
            Sample(number, "odd" if number % 2 else "even", {"number": number}, 2 * number, f"double {number}")
            for number in range(self.samples)
        ]

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        if self.scoring == "raise":
            raise KeyError("points")
        right = Score("right", float(output["value"] == sample.target))
        return [right, right] if self.scoring == "twice" else [right]

    def timed(self, sample: Sample) -> dict[str, Any]:
        if self.scoring == "untimed":
            raise KeyError("size")
        return sample.request

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return str(output["value"])


@dataclass(frozen=True)
class Shift(Method):
    """Answers odd numbers wrongly."""

    by: int = knob(1, help="how wrongly")

    name = "shift"
    traits = Traits(
        "counting",
        frozenset({"counter"}),
        frozenset({"after_thought"}),
        frozenset({"kept"}),
        breaks=frozenset({"order"}),
    )

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        evidence = Evidence()

        def shift(thought: Thought) -> None:
            thought.value += self.by * (thought.number % 2)
            evidence.record(kept=KEPT)

        with subject.at("after_thought", shift):
            yield evidence


@dataclass(frozen=True)
class Failing(Method):
    """Changes nothing, and fails at one sample."""

    how: str = knob(
        "raise", help="raise, segfault, hang, memory, sigkill, exit, silent, lie, shared, skipped, timed, unapplied"
    )
    at: int = knob(2, help="the sample")

    name = "failing"
    traits = Traits(
        "counting",
        frozenset({"counter"}),
        frozenset({"after_thought"}),
        frozenset({"kept"}),
        requires=frozenset({"order"}),
    )

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        if self.how == "unapplied":
            fail()
        evidence = Evidence()

        def act(thought: Thought) -> None:
            now = thought.number == self.at
            if now and self.how in FAILURES:
                FAILURES[self.how]()
            if self.how == "timed" and subject.marker is not None and not Path(os.environ["TOY_CURE"]).exists():
                crash()
            if not (now and self.how == "silent"):
                evidence.record(kept=5 if now and self.how == "lie" else KEPT)

        with subject.at("after_thought", act):
            yield evidence


def fail() -> None:
    raise ValueError("planted")


def exhaust() -> None:
    raise MemoryError


FAILURES = {
    "raise": fail,
    "segfault": crash,
    "hang": lambda: time.sleep(600),
    "memory": exhaust,
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: sys.exit("enough"),
}


@dataclass(frozen=True)
class Slow(Method):
    """Changes nothing, and takes its time."""

    by: float = knob(0.1, low=0.0, help="time it takes, as a share of what a request takes without it")

    name = "slow"
    traits = Traits("counting", frozenset({"counter"}), frozenset({"after_thought"}), frozenset({"kept"}))

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        evidence = Evidence()

        def act(thought: Thought) -> None:
            subject.spend(self.by * subject.pause)
            evidence.record(kept=KEPT)

        with subject.at("after_thought", act):
            yield evidence


@dataclass(frozen=True)
class Misplaced(Method):
    """Acts where a counter can't be acted on."""

    name = "misplaced"
    traits = Traits("counting", seams=frozenset({"after_prefill"}))

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        yield Evidence()


@dataclass(frozen=True)
class Learned(Method):
    """Learns first how much to add, and then adds it out of habit."""

    by: int = knob(2, help="what it learns")
    fails: bool = knob(False, help="whether it can't learn")
    twice: bool = knob(False, prepared=False, help="whether it adds it twice")

    name = "learned"
    traits = Traits(
        "counting",
        frozenset({"counter"}),
        frozenset({"habit"}),
        frozenset({"added"}),
        prepares="trains",
    )
    neutral = {"by": 0}

    def materials(self, processor: Any, seed: int) -> dict[str, Any]:
        return {"lesson": self.by}

    def prepare(self, preparation: Preparation) -> None:
        log("prepare")
        if self.fails:
            raise ValueError("too hard")
        preparation.progress()
        preparation.readings.append(Reading("lessons", float(len(preparation.materials)), "1", "counted"))
        (preparation.folder / "habit").write_text(str(preparation.materials["lesson"]))

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        assert artifact is not None
        log("hold")
        evidence, by = Evidence(), int((artifact / "habit").read_text())
        evidence.record(added=by)  # once: every sample must carry it

        def add(thought: Thought) -> None:
            thought.value += by * (1 + self.twice)

        with subject.at("habit", add):
            yield evidence
        log("let go")


@dataclass(frozen=True)
class Taught(Learned):
    """Learns what the task teaches, and is compared with one that does not."""

    name = "taught"
    traits = replace(Learned.traits, baseline="learned")
    neutral = None

    def prepare(self, preparation: Preparation) -> None:
        (preparation.folder / "habit").write_text(str(preparation.training["lesson"]))


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Shift, Failing, Slow, Misplaced, Learned, Taught]


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Counting]


@hookimpl
def harness_models() -> list[type[Model]]:
    return [CounterModel]


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [Counter]
