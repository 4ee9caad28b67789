"""The clock: wall time of whole requests and of their phases, in seconds, and the machine's state beside them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from harness.api import Device, Measure, Reading, Workload
from harness.meters.conditions import Machine

SOURCE = "perf_counter_ns"

MIN_WARMUPS = 10  # then until the last STEADY_OF vary by less than STEADY_CV ...
STEADY_OF = 5
STEADY_CV = 0.05
MAX_WARMUPS = 50  # ... or until one of these is spent
MAX_WARMUP_S = 30.0

BATCHES = 10  # of each size, at most


class Timing(NamedTuple):
    """One timed request. Nanoseconds of a monotonic clock; `device_s` by the device's own events, on CUDA."""

    start_ns: int
    marks: list[tuple[str, int]]
    end_ns: int
    device_s: float | None

    @property
    def wall_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


class Clock:
    """Times requests one by one, the device synchronised around each and at every phase mark.

    The first call is `cold_latency_s`, and the first of the warm-ups. Warm-ups and samples then run
    through the requests in order: sample i is request i, wrapping around, so that the arms of a
    session pair by `sample`.
    With `measure.steady`, warming up ends when the last five latencies vary by less than 5 %:
    requests of very unlike sizes never look steady, and `warmup_converged` says so.

    Requests of several inputs, where the subject makes some, are timed after that: one of each size to
    warm up, then as many as samples, ten at most. They are part of no latency.

    The subject's `durations` name the phases. `load_average` (1 min, before the first call), `threads`,
    `temperature_c`, `clock_hz`, `power_limit_w` and `throttled` describe the machine; where it hides
    them they are None with a reason.
    """

    name = "latency"
    timed = True
    revision = 1

    def unavailable(self, device: Device) -> str | None:
        return None

    def read(self, workload: Workload, measure: Measure) -> list[Reading]:
        machine = Machine(workload.device)
        cold = time_once(workload, 0)
        warmth = warm_up(workload, measure)
        samples = take_samples(workload, measure)
        return [
            Reading("cold_latency_s", cold.wall_s, "s", SOURCE),
            *warmth,
            *samples,
            *take_batches(workload, measure),
            *machine.readings(),
        ]


def warm_up(workload: Workload, measure: Measure) -> list[Reading]:
    """Runs the measured requests untimed; says whether they became steady, where the measure asks for that."""
    if not measure.steady:
        for i in range(1, measure.warmups):  # the cold call was the first
            time_once(workload, i)
        return []
    started = time.perf_counter()
    walls: list[float] = []
    while not is_warm(walls, time.perf_counter() - started, max(measure.warmups, MIN_WARMUPS)):
        walls.append(time_once(workload, 1 + len(walls)).wall_s)
    spread = variation(walls)
    detail = {"warmups": len(walls), "variation": spread}
    return [Reading("warmup_converged", float(spread < STEADY_CV), "1", SOURCE, detail=detail)]


def is_warm(walls: list[float], elapsed_s: float, at_least: int) -> bool:
    if len(walls) < at_least:
        return False
    return variation(walls) < STEADY_CV or len(walls) >= MAX_WARMUPS or elapsed_s >= MAX_WARMUP_S


def variation(walls: list[float]) -> float:
    """Coefficient of variation of the last five."""
    last = walls[-STEADY_OF:]
    return statistics.stdev(last) / statistics.fmean(last)


def take_samples(workload: Workload, measure: Measure) -> list[Reading]:
    """At least `measure.samples`, for at least `measure.seconds`. A subject tells of each before the next."""
    started = time.perf_counter()
    readings: list[Reading] = []
    taken = 0
    while taken < measure.samples or time.perf_counter() - started < measure.seconds:
        readings += sample_readings(workload, taken, time_once(workload, taken))
        taken += 1
    return readings


def take_batches(workload: Workload, measure: Measure) -> list[Reading]:
    sizes = zip(*map(workload.subject.batched, workload.requests), strict=True)
    readings: list[Reading] = []
    for requests in sizes:
        alike = replace(workload, requests=requests)
        time_once(alike, 0)
        for index in range(min(measure.samples, BATCHES)):
            readings += sample_readings(alike, index, time_once(alike, index)._replace(device_s=None))
    return readings


def sample_readings(workload: Workload, index: int, timing: Timing) -> list[Reading]:
    readings = workload.subject.durations(timing.start_ns, timing.marks, timing.end_ns)
    if timing.device_s is not None:
        readings = [*readings, Reading("device_latency_s", timing.device_s, "s", "torch.cuda.Event")]
    return [replace(reading, sample=index) for reading in readings]


def time_once(workload: Workload, index: int) -> Timing:
    """Runs one request under the clock, and puts back the subject's marker whatever happens."""
    subject = workload.subject
    # Progress is reported after the clock has stopped, so that reporting costs no arm anything.
    silent = replace(workload, progress=lambda: None)
    marks: list[tuple[str, int]] = []

    def mark(phase: str) -> None:
        # Without it a phase would end when its kernels are queued, not when they are done.
        subject.synchronize()
        marks.append((phase, time.perf_counter_ns()))

    marker, events = subject.marker, DeviceEvents(workload.device)
    subject.synchronize()
    subject.marker = mark
    try:
        with uncollected():
            events.start()
            start_ns = time.perf_counter_ns()
            silent.run(index)
            events.stop()
            subject.synchronize()
            end_ns = time.perf_counter_ns()
    finally:
        subject.marker = marker
    workload.progress()
    return Timing(start_ns, marks, end_ns, events.seconds())


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps Python's garbage collector out of a sample; it catches up between samples."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class DeviceEvents:
    """A pair of events on the current CUDA stream; nothing on other devices."""

    def __init__(self, device: Device) -> None:
        self._pair: list[Any] = []
        if device.kind == "cuda":
            import torch

            self._pair = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def start(self) -> None:
        if self._pair:
            self._pair[0].record()

    def stop(self) -> None:
        if self._pair:
            self._pair[1].record()

    def seconds(self) -> float | None:
        """Time between them on the device; both must have passed."""
        if not self._pair:
            return None
        self._pair[1].synchronize()
        milliseconds: float = self._pair[0].elapsed_time(self._pair[1])
        return milliseconds / 1e3
