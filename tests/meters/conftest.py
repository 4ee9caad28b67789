from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from harness.api import Device, Measure, Reading, Response, Subject, Workload


@dataclass
class Toy(Subject):
    """Answers by calling `act`, between the marks of two phases."""

    kind = "toy"
    act: Callable[[], Any] = lambda: None

    def respond(self, request: dict[str, Any], needs: frozenset[Any] = frozenset()) -> Response:
        self.mark("begin")
        self.act()
        self.mark("end")
        return Response({}, {"end_resident_bytes": 4096.0})

    def durations(self, start_ns, marks, end_ns):
        names = [name for name, _ in marks]
        moments = [start_ns, *(ns for _, ns in marks), end_ns]
        return [
            Reading("latency_s", (end_ns - start_ns) / 1e9, "s", "perf_counter_ns", detail={"marks": names}),
            Reading("ordered", float(moments == sorted(moments)), "1", "test"),
        ]


def make_workload(act: Callable[[], Any], kind: str = "cpu", requests: int = 3) -> Workload:
    subject = Toy(act)
    return Workload(subject, Device(kind, 1), [{"number": i} for i in range(requests)], subject.respond)


def make_measure(**changes: Any) -> Measure:
    return Measure(
        **{
            "name": "test",
            "processes": 1,
            "warmups": 1,
            "samples": 3,
            "decides": False,
            "energy_window_s": 0.2,
            "energy_rest_s": 0.0,
            "energy_idle_s": 0.0,
        }
        | changes
    )


@pytest.fixture
def workload() -> Callable[..., Workload]:
    return make_workload


@pytest.fixture
def measure() -> Callable[..., Measure]:
    return make_measure


@pytest.fixture
def by_metric() -> Callable[[list[Reading]], dict[str, Reading]]:
    """The readings by metric, where each occurs once."""

    def index(readings: list[Reading]) -> dict[str, Reading]:
        found = {reading.metric: reading for reading in readings}
        assert len(found) == len(readings)
        return found

    return index
