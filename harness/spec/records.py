"""Plain data that crosses rooms and process borders; everything here turns into JSON and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

Plain = Any  # None, bool, int, float, str, and lists and string-keyed dicts of them


@dataclass(frozen=True)
class Metric:
    """A named quantity of quality: how a task's scores are read."""

    name: str
    unit: str  # "%", "nats", "" ...
    higher_is_better: bool | None  # None: neither is, it describes
    aggregation: str = "macro_mean"  # over strata; "mean" over samples
    scale: float = 1.0  # a score times this is in `unit`
    weight: str | None = None  # the score that says how much each sample counts, itself shown nowhere
    statistic: str | None = None  # of many samples together, by harness.stats.together ...
    of: tuple[str, ...] = ()  # ... from these scores, truth first, themselves shown nowhere ...
    within: str = "cluster"  # ... a value a cluster; or "stratum", then a value a stratum, clusters drawn again

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", tuple(self.of))  # a list where it comes from JSON


@dataclass(frozen=True)
class Score:
    """One sample under one metric. Unknown is None, with a reason."""

    metric: str
    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Reading:
    """One value from a meter. Unknown is None, with a reason; zero is a measurement."""

    metric: str
    value: float | None
    unit: str  # SI: s, J, W, B, FLOP, token, token/s, query/s, image/s, 1
    source: str  # the instrument: "perf_counter_ns", "nvml", "torch.FlopCounterMode" ...
    reason: str | None = None
    sample: int | None = None  # which timed sample, where the reading is of one
    detail: dict[str, Plain] | None = None


@dataclass(frozen=True)
class Source:
    """Where data came from; shown beside every score, so that a subset is never taken for the whole."""

    name: str
    count: int
    sha256: str | None
    split: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Sample:
    """One scored input. It depends on the seed and its number alone, so more samples extend a run."""

    number: int
    stratum: str  # the subtask, class or fold it is averaged within
    request: dict[str, Plain]  # what the subject is asked; the subject's kind defines the keys
    target: Plain
    prompt: str = ""  # what a person reads
    cluster: str | None = None  # samples that share a context


@dataclass
class Response:
    """What a subject gave back: `output` for the task to score, `observed` facts of the subject's own."""

    output: dict[str, Plain]
    observed: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """A plugin by name with its knobs resolved: one method of a stack, a task, a model."""

    name: str
    knobs: dict[str, Plain]

    def plain(self) -> dict[str, Plain]:
        return {"name": self.name, "knobs": dict(self.knobs)}

    @classmethod
    def from_plain(cls, plain: dict[str, Plain]) -> Setting:
        return cls(plain["name"], dict(plain["knobs"]))


@dataclass(frozen=True)
class Device:
    """What a run computes on, resolved: `kind` is cpu or cuda, never auto."""

    kind: str
    threads: int

    def plain(self) -> dict[str, Plain]:
        return asdict(self)


@dataclass(frozen=True)
class RunSpec:
    """What is hashed and resumed: one stack, task, model, device and seed."""

    stack: tuple[Setting, ...]
    task: Setting
    model: Setting
    device: Device
    seed: int

    def plain(self) -> dict[str, Plain]:
        return {
            "stack": [method.plain() for method in self.stack],
            "task": self.task.plain(),
            "model": self.model.plain(),
            "device": self.device.plain(),
            "seed": self.seed,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Plain]) -> RunSpec:
        return cls(
            stack=tuple(Setting.from_plain(method) for method in plain["stack"]),
            task=Setting.from_plain(plain["task"]),
            model=Setting.from_plain(plain["model"]),
            device=Device(**plain["device"]),
            seed=plain["seed"],
        )


@dataclass(frozen=True)
class Measure:
    """The protocol of the timed passes."""

    name: str
    processes: int  # fresh processes an arm, at least
    warmups: int
    samples: int  # timed samples a process
    decides: bool  # whether its timings may carry an outcome
    steady: bool = False  # warm up until the clock is steady
    seconds: float = 0.0  # sample for at least so long
    max_processes: int | None = None  # more than `processes`: go on while the interval is wide
    width: float | None = None  # percent: a half-width this narrow is enough
    budget_s: float | None = None  # begin no process of a session that would end later
    strict: bool = False  # p95 and p99 from 130 and 662 samples
    energy_window_s: float = 5.0
    energy_trials: int = 1  # windows a process
    energy_rest_s: float = 10.0  # between two of them
    energy_idle_s: float = 5.0

    @property
    def most(self) -> int:
        """Fresh processes an arm, at most."""
        return max(self.processes, self.max_processes or 0)
