"""Energy of a request, from the hardware's own instruments, in joules; never from a model of the hardware."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple, Protocol

from harness.api import Device, Measure, Reading, Workload
from harness.meters.energy_nvml import Nvml
from harness.meters.energy_power import NvmlPower
from harness.meters.energy_rapl import Rapl
from harness.meters.unreadable import Unreadable

PREFIXES = ("", "host_")  # of metrics: the compute device's, then its host's


class Gauge(Protocol):
    """An instrument's counters while it is open."""

    def joules(self) -> dict[str, float]:
        """By domain, from any start, never falling. To be asked at least as often as a counter wraps.

        Raises:
            Unreadable: why not.
        """
        ...

    def conditions(self) -> dict[str, float]:
        """Under the names of `harness.meters.conditions`."""
        ...


class Counter(Protocol):
    """An instrument that counts energy."""

    source: str

    def unavailable(self) -> str | None: ...

    def open(self) -> AbstractContextManager[Gauge]:
        """Entering it raises Unreadable where the instrument can't be read."""
        ...


class Energy:
    """Gross and net energy of a request.

    After one request (context made, kernels loaded) the process idles for `measure.energy_idle_s`:
    `idle_w`. After the warm-ups come `measure.energy_trials` windows with `measure.energy_rest_s`
    between them to cool down. In each it works through the requests in order, again and again, until
    `measure.energy_window_s` is over: `energy_j` is the counter's advance per request, whatever else
    the device did included; `net_j` is that minus `idle_w` times the request's share of the time.
    `window_requests` and `window_s` say what they rest on. A reading's `sample` is its trial.

    These are the compute device's: on CUDA the GPU board's (NVML's counter, else its power polled), on
    the CPU its packages and DRAM (RAPL). On CUDA `host_energy_j`, `host_idle_w` and `host_net_j` give
    packages and DRAM beside it.
    """

    name = "energy"
    timed = True
    revision = 2

    def __init__(self, rapl: Counter | None = None, gpu: Sequence[Counter] = ()) -> None:
        """`gpu`: instruments of the board, the best first."""
        self._rapl: Counter = rapl or Rapl()
        self._gpu = list(gpu) or [Nvml(), NvmlPower()]

    def unavailable(self, device: Device) -> str | None:
        return self.counters(device)[0].unavailable()

    def read(self, workload: Workload, measure: Measure) -> list[Reading]:
        counters = self.counters(workload.device)
        blocked = [counter.unavailable() for counter in counters]
        if all(blocked):
            return [one for i, counter in enumerate(counters) for one in unknown(PREFIXES[i], counter, blocked[i])]
        execute(workload, 0)
        idle = observe(counters, lambda poll: rest(measure.energy_idle_s))
        for i in range(measure.warmups):
            execute(workload, 1 + i)
        trials = []
        for trial in range(measure.energy_trials):
            if trial:
                rest(measure.energy_rest_s)
            trials.append(observe(counters, repeat(workload, measure.energy_window_s)))
        readings = [one for trial, work in enumerate(trials) for one in window_readings(trial, work)]
        for i, counter in enumerate(counters):
            readings += energy_readings(PREFIXES[i], counter, i, idle, trials)
        return readings

    def counters(self, device: Device) -> list[Counter]:
        """The compute device's first, then its host's."""
        if device.kind != "cuda":
            return [self._rapl]
        able = (counter for counter in self._gpu if counter.unavailable() is None)
        return [next(able, self._gpu[0]), self._rapl]


def rest(seconds: float) -> int:
    """Idles; no request is served."""
    time.sleep(seconds)
    return 0


def execute(workload: Workload, index: int) -> None:
    workload.run(index)
    workload.subject.synchronize()


def repeat(workload: Workload, window_s: float) -> Callable[[Callable[[], None]], int]:
    """Work for `observe`: whole requests, at least one, until the window is over."""

    def work(poll: Callable[[], None]) -> int:
        started, requests = time.perf_counter(), 0
        while not requests or time.perf_counter() - started < window_s:
            execute(workload, requests)
            requests += 1
            poll()
        return requests

    return work


class Spent(NamedTuple):
    """What one instrument counted over a stretch, in joules, or why it can't say."""

    domains: dict[str, float]
    reason: str | None
    conditions: dict[str, dict[str, float]]

    @property
    def joules(self) -> float:
        return sum(self.domains.values())

    def per(self, whole: float) -> dict[str, Any]:
        return {"domains": {name: joules / whole for name, joules in self.domains.items()}, **self.conditions}


class Stretch(NamedTuple):
    """A stretch of time, idle or at work, and what each instrument counted."""

    seconds: float
    requests: int
    spent: list[Spent]


def observe(counters: Sequence[Counter], action: Callable[[Callable[[], None]], int]) -> Stretch:
    """Counts while `action(poll)` goes on; it returns how many requests it served."""
    with ExitStack() as opened:
        watches = [Watch(counter, opened) for counter in counters]

        def poll() -> None:
            for watch in watches:
                watch.poll()

        poll()
        started = time.perf_counter()
        requests = action(poll)
        poll()
        seconds = time.perf_counter() - started
        return Stretch(seconds, requests, [watch.spent() for watch in watches])


class Watch:
    """One instrument over one stretch of time; the first thing that goes wrong is its reason."""

    def __init__(self, counter: Counter, opened: ExitStack) -> None:
        self._first: dict[str, float] | None = None
        self._last: dict[str, float] = {}
        self._reason: str | None = None
        self._before: dict[str, float] = {}
        try:
            self._gauge = opened.enter_context(counter.open())
            self._before = self._gauge.conditions()
        except Unreadable as error:
            self._reason = str(error)

    def poll(self) -> None:
        if self._reason is not None:
            return
        try:
            self._last = self._gauge.joules()
        except Unreadable as error:
            self._reason = str(error)
        if self._first is None:
            self._first = self._last

    def spent(self) -> Spent:
        if self._reason is not None:
            return Spent({}, self._reason, {})
        first = self._first or {}
        domains = {name: joules - first[name] for name, joules in self._last.items()}
        stuck = sorted(name for name, joules in domains.items() if joules <= 0)
        reason = f"energy counter did not advance: {', '.join(stuck)}" if stuck or not domains else None
        return Spent(domains, reason, {"before": self._before, "after": self._gauge.conditions()})


def window_readings(trial: int, work: Stretch) -> list[Reading]:
    return [
        Reading("window_requests", float(work.requests), "1", "count", sample=trial),
        Reading("window_s", work.seconds, "s", "perf_counter", sample=trial),
    ]


def energy_readings(
    prefix: str, counter: Counter, place: int, idle: Stretch, trials: Sequence[Stretch]
) -> list[Reading]:
    """Idle W once; of each trial gross and net J per request. Detail is by domain, with the conditions around."""
    rested = idle.spent[place]
    idle_w = rested.joules / idle.seconds

    def reading(
        metric: str, value: float, unit: str, reason: str | None, trial: int | None, detail: dict[str, Any] | None
    ) -> Reading:
        if reason is not None:
            return Reading(prefix + metric, None, unit, counter.source, reason, trial)
        return Reading(prefix + metric, value, unit, counter.source, None, trial, detail)

    readings = [reading("idle_w", idle_w, "W", rested.reason, None, rested.per(idle.seconds))]
    for trial, work in enumerate(trials):
        worked = work.spent[place]
        gross_j = worked.joules / work.requests
        net_j = gross_j - idle_w * work.seconds / work.requests
        net_reason = worked.reason or (f"idle power unknown: {rested.reason}" if rested.reason else None)
        readings.append(reading("energy_j", gross_j, "J", worked.reason, trial, worked.per(work.requests)))
        readings.append(reading("net_j", net_j, "J", net_reason, trial, None))
    return readings


def unknown(prefix: str, counter: Counter, reason: str | None) -> list[Reading]:
    units = {"energy_j": "J", "idle_w": "W", "net_j": "J"}
    return [Reading(prefix + metric, None, unit, counter.source, reason) for metric, unit in units.items()]
