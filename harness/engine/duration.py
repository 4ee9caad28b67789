"""About how long timing takes, from a model's guess at one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.engine.plan import Bench
from harness.meters.clock import MAX_WARMUP_S, MAX_WARMUPS, MIN_WARMUPS
from harness.plugin.contracts import Meter
from harness.spec.records import Measure

LOAD_S = 5.0  # a process starts and loads
ONCE = 3  # requests of the meters that read a run once


@dataclass(frozen=True)
class Span:
    """Seconds, at least and at most. Not `known`: requests themselves were counted as nothing."""

    least: float
    most: float
    known: bool = True

    def __add__(self, other: Span) -> Span:
        return Span(self.least + other.least, self.most + other.most, self.known and other.known)

    @property
    def words(self) -> str:
        least, most = duration(self.least), duration(self.most)
        if not self.known:
            return f"at least {least}"
        return f"about {least if least == most else f'{least} to {most}'} (a rough guess)"


def session_span(bench: Bench, arms: int, measure: Measure, meters: Sequence[Meter]) -> Span:
    """One session of so many arms."""
    found = bench.model.seconds(bench.facts, bench.timed(0), bench.device, 1)
    request_s = found or 0.0
    process = process_span(request_s, measure, energy=reads_energy(bench, meters))
    once_s = ONCE * request_s if any(not meter.timed for meter in meters) else 0.0
    least = arms * (measure.processes * process.least + once_s)
    most = arms * (measure.most * process.most + once_s)
    if measure.budget_s is not None:
        one_round = arms * process.least
        least = min(least, max(one_round, measure.budget_s))
        most = max(least, min(most, measure.budget_s))
    return Span(least, most, found is not None)


def process_span(request_s: float, measure: Measure, energy: bool) -> Span:
    """One fresh process of an arm."""
    warm_least = warm_most = measure.warmups * request_s
    if measure.steady:
        warm_least = max(measure.warmups, MIN_WARMUPS) * request_s
        warm_most = max(warm_least, min(MAX_WARMUPS * request_s, MAX_WARMUP_S))
    rest_s = LOAD_S + max(measure.samples * request_s, measure.seconds)
    if energy:
        window_s = max(measure.energy_window_s, request_s)
        rest_s += (1 + measure.warmups) * request_s + measure.energy_idle_s
        rest_s += measure.energy_trials * window_s + (measure.energy_trials - 1) * measure.energy_rest_s
    return Span(warm_least + rest_s, warm_most + rest_s)


def reads_energy(bench: Bench, meters: Sequence[Meter]) -> bool:
    return any(meter.name == "energy" and meter.unavailable(bench.device) is None for meter in meters)


def duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
