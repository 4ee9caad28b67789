"""What a comparison is made from, and what it comes to. Everything is in SI units and the scores' own scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.report.settings import settings_text
from harness.spec.records import Measure, Metric, Plain, RunSpec, Source
from harness.stats.intervals import Estimate, Quantile
from harness.stats.latency import LatencyComparison
from harness.stats.paired import Comparison

if TYPE_CHECKING:
    from pandas import DataFrame

NOT_COUNTED = ("failed", "invalid")
NOT_COUNTED_HERE = "not counted"


@dataclass(frozen=True)
class RunView:
    """One run of a study."""

    id: int
    label: str  # stack: method names joined by +
    spec: RunSpec
    model: str  # the preset's name, for people
    role: str  # baseline method control
    status: str  # planned running done stopped failed invalid
    planned: int
    done: int
    environment_id: int
    about: Mapping[str, Plain] = field(default_factory=dict)  # nominal conditions notes simulated prepares metrics
    baseline_id: int | None = None
    session_id: int | None = None  # whose timings the study shows
    reason: str | None = None
    sources: tuple[Source, ...] = ()
    environment: str = ""  # its name, where it is not the command's own

    @property
    def counts(self) -> bool:
        return self.status not in NOT_COUNTED

    @property
    def metrics(self) -> list[Metric]:
        return shown_metrics(self.about)


def shown_metrics(about: Mapping[str, Plain]) -> list[Metric]:
    """A run's metrics that are shown: a score that only weighs samples, or serves a statistic of many, is none."""
    declared = [Metric(**one) for one in about.get("metrics", [])]
    serving = {name for one in declared for name in (one.weight, *one.of)}
    return [one for one in declared if one.name not in serving]


@dataclass(frozen=True)
class StudyView:
    """Runs meant to be compared, and what was recorded of them."""

    title: str
    runs: tuple[RunView, ...]
    samples: DataFrame  # columns of queries.outline; the answer where there is more than one environment
    scores: DataFrame  # run number metric value reason
    readings: DataFrame  # run session process sample metric value unit source reason; position, detail where known
    measures: Mapping[int, Measure] = field(default_factory=dict)  # by session
    defaults: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)  # knobs of methods, by name
    environments: Mapping[int, str] = field(default_factory=dict)  # in a few words, by id
    remarks: tuple[str, ...] = ()  # to stand among the notes


@dataclass(frozen=True)
class QualityCell:
    """One row under one metric. `comparison` is None for a baseline, and where `reason` says why."""

    metric: Metric
    estimate: Estimate
    comparison: Comparison | None = None
    reason: str | None = None
    strata: Mapping[str, float] = field(default_factory=dict)  # means of those the estimate is a mean of
    by_run: tuple[float, ...] = ()  # means of runs, where each is a build or training of its own


@dataclass(frozen=True)
class CostCell:
    """One row under one reading. `change` is relative to the baseline; `comparison` carries the timed ones' outcome."""

    metric: str
    unit: str
    estimate: Estimate
    timed: bool
    source: str
    p95: Quantile | None = None
    p99: Quantile | None = None
    change: float | None = None
    comparison: LatencyComparison | None = None
    reason: str | None = None  # why there is no change, or no outcome
    by_run: tuple[float, ...] = ()  # each run's median


@dataclass(frozen=True)
class Compression:
    """What was asked for and what came of it: the share of bytes removed, full ÷ resident bytes."""

    nominal: Mapping[str, float]
    ratio: float | None
    factor: float | None
    reason: str | None
    simulated: bool
    weights: float | None = None  # the share of the bytes of weights removed, where methods act on these

    @property
    def share(self) -> float | None:
        """The share removed of what the method acts on."""
        return self.ratio if self.weights is None else self.weights


@dataclass(frozen=True)
class Row:
    """One technique and setting: a run for each seed."""

    runs: tuple[RunView, ...]
    settings: Mapping[str, str]  # knobs that differ from their defaults or vary in the study
    quality: tuple[QualityCell, ...]
    costs: Mapping[str, CostCell]
    compression: Compression

    @property
    def label(self) -> str:
        """What ran, and in which environment where that is not plain from its name."""
        label, home = self.runs[0].label, self.runs[0].environment
        return f"{label} in {home}" if home and f"{home}/" not in label else label

    @property
    def name(self) -> str:
        return f"{self.label} ({settings_text(self.settings)})" if self.settings else self.label

    @property
    def role(self) -> str:
        return self.runs[0].role

    @property
    def planned(self) -> int:
        return sum(run.planned for run in self.runs)

    @property
    def done(self) -> int:
        return sum(run.done for run in self.runs)

    @property
    def counts(self) -> bool:
        return any(run.counts for run in self.runs)

    @property
    def finished(self) -> bool:
        return self.counts and all(run.done >= run.planned for run in self.runs if run.counts)

    @property
    def status(self) -> str:
        """The worst of its runs'."""
        order = ("invalid", "failed", "stopped", "running", "planned", "done")
        return min((run.status for run in self.runs), key=lambda one: order.index(one) if one in order else 0)


@dataclass(frozen=True)
class Table:
    """One task on one model and device: the baseline first, then what is compared with it."""

    task: str
    model: str
    device: str
    seeds: tuple[int, ...]
    conditions: Mapping[str, str]
    sources: tuple[Source, ...]
    measures: tuple[Measure, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    ended: tuple[str, ...] = ()  # how the sessions that timed it came to their end

    @property
    def baseline(self) -> Row | None:
        return next((row for row in self.rows if row.role == "baseline"), None)

    def baseline_of(self, row: Row) -> Row | None:
        """What it is compared with; the table's first where that is not in it."""
        if row.role == "baseline":
            return row
        beside = {run.baseline_id for run in row.runs}
        return next((one for one in self.rows if beside & {run.id for run in one.runs}), self.baseline)


@dataclass(frozen=True)
class Report:
    title: str
    tables: tuple[Table, ...]
