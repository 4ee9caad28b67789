"""The words of a command that no plugin explains, and the plain data it turns into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from harness.plugin.knobs import Knobbed, knob
from harness.spec.records import Measure, Setting


@dataclass(frozen=True)
class Protocol(Knobbed):
    """`measure=`, a preset of these, and `measure.samples=` to change one."""

    name = "measure"

    processes: int = knob(1, low=0, help="fresh processes an arm, at least; 0 times nothing")
    warmups: int = knob(3, low=0, help="untimed samples first")
    samples: int = knob(5, low=1, help="timed samples a process")
    decides: bool = knob(False, help="whether timings may carry an outcome")
    steady: bool = knob(False, help="warm up until the clock is steady")
    seconds: float = knob(0.0, low=0.0, help="sample for at least so long")
    max_processes: int | None = knob(None, low=1, help="more processes while the interval is wide; null for none")
    width: float | None = knob(
        None, low=0.0, high=5.0, help="percent: stop adding processes at this half-width; null for never"
    )
    budget_s: float | None = knob(None, low=0.0, help="seconds a session may take; null for no limit")
    strict: bool = knob(False, help="p95 from 130 samples and p99 from 662, instead of 59 and 299")
    energy_window_s: float = knob(5.0, low=0.1, help="shortest window an energy counter is read over")
    energy_trials: int = knob(1, low=1, help="such windows a process")
    energy_rest_s: float = knob(10.0, low=0.0, help="seconds to cool down between two windows")
    energy_idle_s: float = knob(5.0, low=0.0, help="seconds of idling that idle power is read over")


@dataclass(frozen=True)
class Processor(Knobbed):
    """`device=`, a preset of these."""

    name = "device"

    kind: str = knob("auto", choices=("auto", "cpu", "cuda"), help="what to compute on")
    threads: int | None = knob(None, low=1, help="threads; null for the physical cores at hand")


@dataclass(frozen=True)
class Store(Knobbed):
    name = "store"

    url: str | None = knob(None, help="database of record; null for HARNESS_STORE, else results/harness.sqlite")


@dataclass(frozen=True)
class Worker(Knobbed):
    name = "worker"

    timeout: float = knob(1800.0, low=1.0, help="seconds without progress until a worker counts as hung")


@dataclass(frozen=True)
class Plain(Knobbed):
    """Words without a dot."""

    name = ""

    seed: int = knob(0, low=0, high=2**32 - 1, help="seeds sampling of data and methods")
    tags: tuple[str, ...] = knob((), help="names to find the runs by")
    controls: bool = knob(True, help="whether the methods' own controls join")


class DeviceRequest(NamedTuple):
    """What was asked for; `resolve_device` decides the rest on the machine that runs."""

    kind: str  # auto, cpu or cuda
    threads: int | None


@dataclass(frozen=True)
class Point:
    """One run of a sweep, every knob filled in, its device not yet resolved."""

    stack: tuple[Setting, ...]
    task: Setting
    model: Setting
    model_name: str  # as typed: a preset's name, else the plugin's
    seed: int
    device: DeviceRequest


@dataclass(frozen=True)
class Sweep:
    """The runs of one command, in the order typed: the word typed last varies fastest."""

    points: tuple[Point, ...]
    measure: Measure
    tags: tuple[str, ...]
    store_url: str | None
    worker_timeout_s: float
    controls: bool
    command: str
