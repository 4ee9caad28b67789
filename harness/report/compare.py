"""From what was recorded to a comparison: rows paired with their baseline, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from harness.report.costs import Pair, cost_cells
from harness.report.data import Array, Data
from harness.report.model import (
    NOT_COUNTED_HERE,
    Compression,
    CostCell,
    QualityCell,
    Report,
    Row,
    RunView,
    StudyView,
    Table,
)
from harness.report.notes import notes
from harness.report.settings import telling, varying
from harness.spec.identity import canonical
from harness.spec.records import Metric
from harness.stats import together
from harness.stats.intervals import Estimate, macro_mean, mean
from harness.stats.paired import Comparison, adjust, compare, compare_seeds

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CostCell", "QualityCell", "Report", "Row", "RunView", "StudyView", "Table", "compare_study"]

AGGREGATIONS = ("macro_mean", "mean")
Codes = NDArray[np.int64]


def compare_study(view: StudyView, data: Data | None = None) -> Report:
    """A table for each task, model and device; p adjusted by Holm over what is said of one technique.

    `data`: the view's, where it is split already.
    """
    data, by_id = data or Data(view), {run.id: run for run in view.runs}
    shown = varying(run.spec.stack for run in view.runs)
    tables = [
        make_table(Maker(view, data, by_id, shown), runs) for runs in grouped(view.runs, lambda run: bench(run, by_id))
    ]
    return Report(view.title, tuple(holm_across(tables)))


def bench(run: RunView, by_id: Mapping[int, RunView]) -> str:
    """What runs share a table by: task, model and device of the baseline, whatever the seed."""
    spec = by_id.get(run.baseline_id or run.id, run).spec
    return canonical([spec.task.plain(), spec.model.plain(), spec.device.plain()])


def technique(run: RunView) -> str:
    """What runs share a row by."""
    return canonical([run.role == "baseline", run.environment, [method.plain() for method in run.spec.stack]])


def grouped(runs: Iterable[RunView], key: Callable[[RunView], str]) -> list[list[RunView]]:
    groups: dict[str, list[RunView]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def make_table(maker: Maker, runs: Sequence[RunView]) -> Table:
    rows = [maker.row(alike) for alike in grouped(runs, technique)]
    rows.sort(key=lambda row: (row.role != "baseline", row.role == "baseline" and bool(row.runs[0].environment)))
    first = rows[0].runs[0]
    table = Table(
        task=first.spec.task.name,
        model=first.model,
        device=first.spec.device.kind,
        seeds=tuple(sorted({run.spec.seed for run in runs})),
        conditions={key: str(value) for key, value in first.about.get("conditions", {}).items() if value is not None},
        sources=first.sources,
        measures=tuple(dict.fromkeys(maker.view.measures[one] for one in sessions(runs) if one in maker.view.measures)),
        metrics=tuple(first.metrics),
        rows=tuple(rows),
        notes=(),
        ended=maker.data.ended(set(sessions(runs))),
    )
    told = (*notes(table, maker.view.environments), *same_elsewhere(maker.data, rows), *maker.view.remarks)
    return replace(table, notes=told)


def same_elsewhere(data: Data, rows: Sequence[Row]) -> Iterator[str]:
    """Whether a baseline answers alike in a named environment, so that its other rows can be read beside the rest."""
    baselines = [row for row in rows if row.role == "baseline"]
    here = {canonical(run.spec.plain()): run for row in baselines for run in row.runs if not run.environment}
    for row in baselines:
        elsewhere = {canonical(run.spec.plain()): run for run in row.runs if run.environment}
        pairs = [(here[spec], run) for spec, run in elsewhere.items() if spec in here]
        found = [data.alike(one.id, other.id) for one, other in pairs]
        if both := sum(count for _, count in found):
            same = sum(count for count, _ in found)
            yield f"{row.label} answers as {pairs[0][0].label} does in {same} of {both} samples"


def sessions(runs: Iterable[RunView]) -> list[int]:
    return [run.session_id for run in runs if run.session_id is not None]


@dataclass(frozen=True)
class Maker:
    """Makes rows of one study."""

    view: StudyView
    data: Data
    by_id: Mapping[int, RunView]
    shown: set[tuple[str, str]]  # (method, knob) that vary

    def row(self, runs: Sequence[RunView]) -> Row:
        pairs = [(run, self.by_id.get(run.baseline_id) if run.baseline_id else None) for run in runs if run.counts]
        paired = [(run, base if base is not None and unlike(run, base) is None else None) for run, base in pairs]
        return Row(
            runs=tuple(runs),
            settings=telling(runs[0].spec.stack, self.shown, self.view.defaults),
            quality=tuple(self.quality(runs, pairs, metric) for metric in runs[0].metrics),
            costs=cost_cells(self.data, paired, self.view.measures),
            compression=self.compression(runs, [run.id for run, _ in pairs]),
        )

    def quality(self, runs: Sequence[RunView], pairs: Sequence[Pair], metric: Metric) -> QualityCell:
        if not pairs:
            return QualityCell(metric, Estimate(None, None, 0, why_not_counted(runs[0])), reason=NOT_COUNTED_HERE)
        cell = self.estimated([run for run, _ in pairs], metric)
        if runs[0].role == "baseline":
            return cell
        doubts = [unlike(run, base) for run, base in pairs]
        usable = [
            (run, base) for (run, base), doubt in zip(pairs, doubts, strict=True) if doubt is None and base is not None
        ]
        if not usable:
            return replace(cell, reason=doubts[0])
        if metric.within == "stratum":
            return replace(cell, comparison=self.by_cluster(usable, metric))
        trained = any(run.about.get("prepares") for run, _ in usable)
        return replace(cell, comparison=(self.by_seed if trained else self.by_sample)(usable, metric))

    def estimated(self, runs: Sequence[RunView], metric: Metric) -> QualityCell:
        if metric.aggregation not in AGGREGATIONS:
            unknown = f"{metric.name} is aggregated by {metric.aggregation}, which is not known"
            return QualityCell(metric, Estimate(None, None, 0, unknown))
        if metric.within == "stratum":
            return self.estimated_together(runs, metric)
        rows = self.data.scores(ids(runs), metric)
        reasons, of = rows["reason"].dropna(), strata(rows, metric)
        found = mean(
            rows["value"].to_numpy(np.float64),
            of,
            contexts(rows, runs),
            weights=weights(rows, metric),
            shares=metric.statistic is None,
        )
        if found.value is None and not reasons.empty:
            found = found._replace(reason=str(reasons.iloc[0]))
        return QualityCell(
            metric, found, strata={} if of is None else self.by_stratum(rows), by_run=self.by_run(rows, runs, metric)
        )

    def by_run(self, rows: DataFrame, runs: Sequence[RunView], metric: Metric) -> tuple[float, ...]:
        """Means of runs that are builds or trainings, which may differ more than their samples tell."""
        if len(runs) < 2 or not any(run.about.get("prepares") for run in runs):
            return ()
        found = [means(part, metric)[0] for _, part in rows.groupby("of")]
        return tuple(one for one in found if one is not None)

    def by_stratum(self, rows: DataFrame) -> dict[str, float]:
        """The mean of each that has a score, in the order they come."""
        known = rows.dropna(subset=["value"])
        return {
            self.data.strata[cast(int, number)]: float(np.average(part["value"], weights=part["weight"]))
            for number, part in known.groupby("stratum", sort=False)
            if part["weight"].sum() > 0
        }

    def estimated_together(self, runs: Sequence[RunView], metric: Metric) -> QualityCell:
        rows = self.data.columns(ids(runs), metric)
        known = rows.assign(context=contexts(rows, runs)).dropna(subset=list(metric.of))
        if known.empty:
            return QualityCell(metric, Estimate(None, None, 0, "no sample has a score"))
        of = {
            self.data.strata[cast(int, number)]: together.together(str(metric.statistic), columns(part, metric))
            for number, part in known.groupby("stratum")
        }
        values = {name: found.value for name, found in of.items() if found.value is not None}
        return QualityCell(metric, together.estimate(grouped_rows(known, metric, [""])), strata=values)

    def by_cluster(self, pairs: Sequence[tuple[RunView, RunView]], metric: Metric) -> Comparison:
        """A statistic of each stratum's samples together; what is drawn again is a cluster."""
        runs, bases = [run for run, _ in pairs], [base for _, base in pairs]
        keys, told = ["of", "number", "prompt"], list(metric.of[1:])
        rows = self.data.columns(ids(bases), metric).merge(
            self.data.columns(ids(runs), metric)[[*keys, *told]], on=keys, suffixes=("", " after")
        )
        rows = rows.assign(context=contexts(rows, runs)).dropna(subset=[*metric.of, *(f"{one} after" for one in told)])
        if rows.empty:
            return compare([], [])
        return together.compare(grouped_rows(rows, metric, ["", " after"]), higher_is_better=metric.higher_is_better)

    def by_sample(self, pairs: Sequence[tuple[RunView, RunView]], metric: Metric) -> Comparison:
        runs, bases = [run for run, _ in pairs], [base for _, base in pairs]
        rows = self.data.pairs(ids(bases), ids(runs), metric)
        return compare(
            rows["value_before"].to_numpy(np.float64),
            rows["value_after"].to_numpy(np.float64),
            strata(rows, metric),
            contexts(rows, runs),
            weights=weights(rows, metric),
            shares=metric.statistic is None,
            higher_is_better=metric.higher_is_better,
        )

    def by_seed(self, pairs: Sequence[tuple[RunView, RunView]], metric: Metric) -> Comparison:
        """Where a technique trains or builds, a pair is a seed, its value the mean over samples both answered."""
        rows = self.data.pairs([base.id for _, base in pairs], [run.id for run, _ in pairs], metric)
        found = [means(part, metric, "value_before", "value_after") for _, part in rows.groupby("of")]
        before, after = (np.array([one[at] for one in found], np.float64) for at in (0, 1))  # unknown is NaN
        return compare_seeds(before, after, higher_is_better=metric.higher_is_better)

    def compression(self, runs: Sequence[RunView], counted: Sequence[int]) -> Compression:
        about = runs[0].about
        nominal, simulated = about.get("nominal", {}), bool(about.get("simulated"))
        found, weights = self.data.bytes(counted), self.data.bytes(counted, "weight_")
        removed = 1 - weights[0] / weights[1] if weights else None
        if found is None or not all(found):
            reason = why_not_counted(runs[0]) if not counted else "its samples do not say what stays resident"
            return Compression(nominal, None, None, reason, simulated, removed)
        resident, full = found
        return Compression(nominal, 1 - resident / full, full / resident, None, simulated, removed)


def unlike(run: RunView, baseline: RunView | None) -> str | None:
    """Why a run can't be paired with its baseline, or None."""
    if baseline is None:
        return "it has no baseline here"
    if not baseline.counts:
        return f"its baseline is {baseline.status}"
    if run.environment_id != baseline.environment_id:
        return "it ran in another environment than its baseline"
    return None


def why_not_counted(run: RunView) -> str:
    return f"{run.status}: {run.reason or 'no reason given'}"


def columns(rows: DataFrame, metric: Metric, arm: str = "") -> list[Array]:
    truth, *told = metric.of
    return [rows[name].to_numpy(np.float64) for name in (truth, *(f"{one}{arm}" for one in told))]


def grouped_rows(rows: DataFrame, metric: Metric, arms: Sequence[str]) -> together.Grouped:
    answers = [np.column_stack(columns(rows, metric, arm)[1:]) for arm in arms]
    truth = columns(rows, metric)[0]
    apart = strata(rows, metric)
    of = np.zeros(len(rows), np.int64) if apart is None else apart
    return together.grouped(str(metric.statistic), truth, answers, of, rows["context"].to_numpy(np.int64))


def strata(rows: DataFrame, metric: Metric) -> Codes | None:
    return rows["stratum"].to_numpy(np.int64) if metric.aggregation == "macro_mean" else None


def means(rows: DataFrame, metric: Metric, *columns: str) -> list[float | None]:
    """Of one run, or pair of runs."""
    of, weight = strata(rows, metric), weights(rows, metric)
    return [macro_mean(rows[one].to_numpy(np.float64), of, weights=weight) for one in columns or ("value",)]


def weights(rows: DataFrame, metric: Metric) -> Array | None:
    return None if metric.weight is None else rows["weight"].to_numpy(np.float64)


def ids(runs: Iterable[RunView]) -> list[int]:
    return [run.id for run in runs]


def contexts(rows: DataFrame, runs: Sequence[RunView]) -> Codes:
    """The context of each row; one of one seed is not another seed's. -1 where there is none."""
    seeds = sorted({run.spec.seed for run in runs})
    seed = np.array([seeds.index(run.spec.seed) for run in runs], np.int64)[rows["of"].to_numpy(np.int64)]
    context = rows["context"].to_numpy(np.int64)
    return np.where(context < 0, context, context * len(seeds) + seed)


# Many tasks at once.


def holm_across(tables: Sequence[Table]) -> list[Table]:
    """Everything said of one technique and setting is one family, over tasks and metrics."""
    families: dict[str, list[tuple[int, int, int]]] = {}
    for t, table in enumerate(tables):
        for r, row in enumerate(table.rows):
            places = [(t, r, c) for c, cell in enumerate(row.quality) if cell.comparison is not None]
            families.setdefault(technique(row.runs[0]), []).extend(places)
    adjusted: dict[tuple[int, int, int], Comparison] = {}
    for places in families.values():
        if len(places) > 1:
            found = [tables[t].rows[r].quality[c].comparison for t, r, c in places]
            adjusted |= dict(zip(places, adjust([one for one in found if one is not None]), strict=True))
    return [
        replace(table, rows=tuple(_with(row, t, r, adjusted) for r, row in enumerate(table.rows)))
        for t, table in enumerate(tables)
    ]


def _with(row: Row, t: int, r: int, adjusted: Mapping[tuple[int, int, int], Comparison]) -> Row:
    cells = enumerate(row.quality)
    return replace(
        row, quality=tuple(replace(cell, comparison=adjusted.get((t, r, c), cell.comparison)) for c, cell in cells)
    )
