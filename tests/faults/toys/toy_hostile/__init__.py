"""A laboratory whose subject answers with what nobody asked for: each sample is another hostile output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Metric, Model, Response, Sample, Score, Seam, Subject, Task, hookimpl, knob

LONE = "\ud800 half a letter \udcff"  # lone surrogates: no UTF-8 holds them


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


OUTPUTS: dict[str, Callable[[], Any]] = {
    "plain": lambda: "seven",
    "huge": lambda: "x" * 8_000_000,
    "surrogates": lambda: LONE,
    "nul": lambda: "before\0after",
    "markup": lambda: "[bold]<script>alert(1)</script>[/nonesuch] \\end{table} | `a` &amp; $x$ %\n\n# title",
    "terminal": lambda: "\x1b[2J\x1b]0;owned\x07\r\b\u202e",
    "numbers": lambda: [float("nan"), float("inf"), -float("inf"), 10**400, -0.0, 1e-320],
    "nested": lambda: nested(200),
    "deep": lambda: nested_iteratively(100_000),
    "bytes": lambda: b"\xff\xfe",
}


def nested_iteratively(depth: int) -> Any:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


class Hostile(Subject):
    kind = "hostile"
    seams: Mapping[str, Seam] = {}

    @contextmanager
    def at(self, seam: str, action: Any) -> Iterator[None]:
        yield

    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        value = OUTPUTS[request["what"]]()
        observed = {"odd": float("nan")} if request["what"] == "numbers" else {}
        return Response({"value": value}, observed=observed)


@dataclass(frozen=True)
class HostileModel(Model):
    name = "hostile"
    kind = "hostile"

    def fetch(self) -> dict[str, Any]:
        return {"path": str(Path(__file__).parent), "revision": "1"}

    def load(self, location: dict[str, Any], device: Any) -> Hostile:
        return Hostile()


@dataclass(frozen=True)
class Provoking(Task):
    what: str = knob("plain", choices=tuple(OUTPUTS), help="what is answered")

    name = "provoking"
    subjects = frozenset({"hostile"})
    metrics = (Metric("length", "", True),)

    def planned(self) -> int:
        return 2

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        value = OUTPUTS[self.what]() if self.what not in ("deep", "bytes", "huge") else self.what
        text = value if isinstance(value, str) else repr(value)
        return [
            Sample(
                number,
                stratum=f"stratum {text}",
                request={"what": self.what, "text": text},
                target=value,
                prompt=text,
                cluster=text,
            )
            for number in range(2)
        ]

    def describe(self) -> dict[str, Any]:
        value = OUTPUTS[self.what]() if self.what not in ("deep", "bytes", "huge") else self.what
        return {"told": value if isinstance(value, str) else repr(value)}

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        value = output["value"]
        if isinstance(value, list) and self.what == "numbers":
            return [Score("length", value[sample.number])]  # NaN, then infinity
        return [Score("length", float(len(value)))]

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        value = output["value"]
        return value if isinstance(value, str) else repr(value)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Provoking]


@hookimpl
def harness_models() -> list[type[Model]]:
    return [HostileModel]


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [Hostile]
