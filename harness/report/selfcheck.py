"""What sessions that timed one arm beside itself say of a machine: the smallest difference it can resolve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.report.costs import MORE_IS_BETTER, is_compared
from harness.report.layout import UNKNOWN, Cell, Column, Grid, Page
from harness.report.notes import measure_words
from harness.report.units import scale_for, spread
from harness.report.words import cost_name
from harness.spec.records import Measure, Plain, RunSpec
from harness.stats.intervals import Estimate, median
from harness.stats.latency import POWER, SURE, THRESHOLD, LatencyComparison, compare_latency, smallest_difference
from harness.store import queries
from harness.store.timings import Timings, latest_self_check, timings

if TYPE_CHECKING:
    from harness.store.writer import Store

MAIN = "latency_s"


@dataclass(frozen=True)
class Resolution:
    """One timed metric, in all sessions of one run."""

    metric: str
    unit: str
    value: Estimate
    sessions: tuple[LatencyComparison, ...]  # the second arm against the first

    @property
    def called(self) -> int:
        """In how many sessions the same was called different."""
        return sum(one.is_called for one in self.sessions)

    @property
    def largest(self) -> float:
        """The change furthest from none."""
        return max((one.change for one in self.sessions if one.change is not None), key=abs, default=0.0)

    @property
    def smallest(self) -> float | None:
        """The smallest slow-down that 80 of 100 such sessions would call."""
        return smallest_difference(self.sessions)


@dataclass(frozen=True)
class SelfCheck:
    """One run timed beside itself."""

    finished: float  # seconds since 1970
    measure: Measure
    spec: RunSpec
    model: str
    conditions: Mapping[str, Plain]
    environment: Mapping[str, Plain]
    processes: tuple[int, ...]  # of each arm, by session
    load: float | None  # average over a minute, before each process
    resolutions: tuple[Resolution, ...]

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.finished, UTC).date().isoformat()

    @property
    def main(self) -> Resolution | None:
        return next((one for one in self.resolutions if one.metric == MAIN), None)


def self_checks(store: Store, study_id: int) -> list[SelfCheck]:
    """Of a study made by `harness selfcheck`, one for each run.

    Raises:
        UsageError: there is no such study.
    """
    finished = queries.study(store, study_id).updated
    by_run: dict[int, list[int]] = {}
    for member in queries.members(store, study_id):
        if member.session_id is not None:
            by_run.setdefault(member.run_id, []).append(member.session_id)
    runs = queries.details(store, by_run)
    return [read(store, finished, runs[run_id], sessions) for run_id, sessions in by_run.items()]


def latest(store: Store, fingerprint: str) -> list[SelfCheck]:
    """Those of the newest self-check in the environment of this fingerprint, or none."""
    study_id = latest_self_check(store, fingerprint)
    return [] if study_id is None else self_checks(store, study_id)


def read(store: Store, finished: float, run: queries.Run, session_ids: Sequence[int]) -> SelfCheck:
    found = [timings(store, session_id) for session_id in session_ids]
    (measure,) = {Measure(**one.measure) for one in queries.sessions(store, session_ids).values()}
    metrics = {metric: of.unit for session in found for metric, of in session.items()}
    loads = [
        value
        for session in found
        for processes in session["load_average"].arms.values()
        for values in processes.values()
        for value in values
    ]
    return SelfCheck(
        finished=finished,
        measure=measure,
        spec=RunSpec.from_plain(run.spec),
        model=run.model,
        conditions=run.about.get("conditions", {}),
        environment=run.facts,
        processes=tuple(len(session[MAIN].pair(0, 1)) for session in found),
        load=sum(loads) / len(loads) if loads else None,
        resolutions=tuple(
            resolve(metric, unit, [session[metric] for session in found if metric in session])
            for metric, unit in metrics.items()
            if is_compared(metric, unit)
        ),
    )


def resolve(metric: str, unit: str, sessions: Sequence[Timings]) -> Resolution:
    compared = []
    for session in sessions:
        pairs = session.pair(0, 1)
        before, after = [one for one, _ in pairs], [other for _, other in pairs]
        compared.append(compare_latency(before, after, higher_is_better=unit in MORE_IS_BETTER))
    groups = [values for one in sessions for arm in one.arms.values() for values in arm.values()]
    return Resolution(metric, unit, median(groups), tuple(compared))


# As text.


def lay_out(check: SelfCheck) -> Page:
    spec = check.spec
    return Page(
        title=f"Self-check of {check.day}: identity against identity, {spec.task.name} on {check.model} "
        f"({spec.device.kind})",
        conditions=conditions(check),
        alarms=[],
        quality=[],
        sentences=sentences(check),
        costs=[grid(check)],
        notes=[
            f"smallest difference: a slow-down that {POWER:.0%} of such sessions call, sure to {SURE:.0%}; "
            f"more sessions know it better; below {THRESHOLD:.0%} nothing is called"
        ],
    )


def conditions(check: SelfCheck) -> list[str]:
    told = " · ".join(f"{key}: {value}" for key, value in check.conditions.items() if value is not None)
    each = " or ".join(map(str, sorted(set(check.processes))))
    load = "" if check.load is None else f"; load average {check.load:.1f} before a process"
    facts = check.environment
    return [
        *([told] if told else []),
        f"costs: {measure_words(check.measure)}",
        f"{len(check.processes)} sessions of two arms, {each} processes each",
        f"{facts.get('cpu')}, {facts.get('cores')} cores; threads {check.spec.device.threads}{load}",
    ]


def sentences(check: SelfCheck) -> list[str]:
    count = sum(len(one.sessions) for one in check.resolutions)
    called = [one for one in check.resolutions if one.called]
    if called:
        listed = ", ".join(f"{cost_name(one.metric)} in {one.called} of {len(one.sessions)}" for one in called)
        lines = [
            f"The same was called different in {sum(one.called for one in called)} of {count} comparisons: {listed}. "
            "By chance one in twenty may be; more means that something else worked on this machine."
        ]
    else:
        lines = [f"The same was called different in none of {count} comparisons."]
    main = check.main
    if main is not None and main.smallest is not None:
        lines.append(f"Here this measure resolves a slow-down of {main.smallest:.1%} in {cost_name(MAIN)}.")
    return lines


def grid(check: SelfCheck) -> Grid:
    rows = check.resolutions
    return Grid(
        "What this machine resolves",
        (
            Column("timed", tuple(Cell(cost_name(one.metric)) for one in rows), words=True, tells_rows=True),
            Column("median", tuple(Cell(value_words(one)) for one in rows)),
            Column("largest A/A change", tuple(Cell(f"{one.largest:+.1%}") for one in rows)),
            Column("called different", tuple(called_cell(one) for one in rows)),
            Column("smallest difference", tuple(Cell(smallest_words(one)) for one in rows)),
        ),
    )


def value_words(one: Resolution) -> str:
    if one.value.value is None:
        return UNKNOWN
    scale = scale_for(one.unit, [one.value.value])
    half = one.value.interval.half_width * scale.factor if one.value.interval else None
    return f"{spread(one.value.value * scale.factor, half)} {scale.unit}".rstrip()


def called_cell(one: Resolution) -> Cell:
    return Cell(f"{one.called} of {len(one.sessions)}", "bad" if one.called else "")


def smallest_words(one: Resolution) -> str:
    return UNKNOWN if one.smallest is None else f"{one.smallest:.1%}"


def remark(check: SelfCheck) -> str:
    """One line to stand beside a comparison."""
    main = check.main
    found = "no difference" if main is None or main.smallest is None else f"{main.smallest:.1%} in {cost_name(MAIN)}"
    called = sum(one.called for one in check.resolutions)
    same = f"called nothing different where nothing was{'' if not called else f', but for {called} comparisons'}"
    return (
        f"self-check of {check.day} here ({check.measure.name}, {check.spec.task.name} on {check.model}): "
        f"resolves {found}; {same}"
    )
