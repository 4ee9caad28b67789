"""What a row cost, and how that compares with its baseline: timed readings within one session only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.report.data import NO_SESSION, Array, Data, by_process
from harness.report.model import CostCell, RunView
from harness.spec.records import Measure
from harness.stats.intervals import Estimate, median, percentile
from harness.stats.latency import LatencyComparison, compare_latency

if TYPE_CHECKING:
    from pandas import DataFrame

MORE_IS_BETTER = {"token/s", "query/s", "image/s"}
COMPARED = {"s", "J", *MORE_IS_BETTER}  # units of timed readings that may carry an outcome, but for:
PROTOCOLS_OWN = {"window_s"}  # what the measure asked for

Pair = tuple[RunView, RunView | None]  # a run and its baseline


def cost_cells(data: Data, pairs: Sequence[Pair], measures: Mapping[int, Measure]) -> dict[str, CostCell]:
    """By metric, in the order they were read. `pairs`: a row's runs that count, a seed each."""
    own = data.readings([(run.id, run.session_id) for run, _ in pairs])
    arms = [(base.id, run.session_id) for run, base in pairs if base is not None and base is not run]
    theirs = data.readings(arms)
    beside = {str(metric): rows for metric, rows in theirs.groupby("metric", sort=False)}
    shown = {run.session_id for run, _ in pairs}
    protocols = {session: measure for session, measure in measures.items() if session in shown}
    cells = {}
    for metric, rows in own.groupby("metric", sort=False):
        timed = bool((rows["session"] != NO_SESSION).any())
        before = beside.get(str(metric), theirs.iloc[:0]) if arms else None
        cells[str(metric)] = timed_cell(rows, before, protocols) if timed else untimed_cell(rows, before)
    return cells


def timed_cell(rows: DataFrame, baseline: DataFrame | None, protocols: Mapping[int, Measure]) -> CostCell:
    """`protocols`: of the sessions the rows come from."""
    rows = rows[rows["session"] != NO_SESSION]
    groups = by_process(rows)
    values = np.concatenate(list(groups.values()))
    strict = any(one.strict for one in protocols.values())
    p95, p99 = (percentile(values, q, strict=strict) for q in (95, 99))
    found = because(rows, median(list(groups.values())))
    cell = replace(blank_cell(rows, True), estimate=found, p95=p95, p99=p99, by_run=by_run(rows))
    if baseline is None or not is_compared(cell.metric, cell.unit) or cell.estimate.value is None:
        return cell
    change = compare_processes(by_process(baseline[baseline["session"] != NO_SESSION]), groups, cell.unit)
    doubt = undecidable(groups, protocols)
    if doubt and change.change is not None:
        change = replace(change, outcome=None, interval=None, reason=doubt)
    return replace(cell, change=change.change, comparison=change, reason=None if change.outcome else change.reason)


def is_compared(metric: str, unit: str) -> bool:
    return unit in COMPARED and metric.removeprefix("host_") not in PROTOCOLS_OWN


def undecidable(groups: Iterable[tuple[int, int]], protocols: Mapping[int, Measure]) -> str | None:
    """Why these processes, (session, process) each, may not carry an outcome."""
    timed = Counter(session for session, _ in groups)
    if not all(session in protocols and protocols[session].decides for session in timed):
        return "this measure shows costs and calls nothing"
    short = [session for session, count in timed.items() if count < protocols[session].processes]
    if not short:
        return None
    return f"{timed[short[0]]} of at least {protocols[short[0]].processes} processes an arm: shown, not called"


def compare_processes(
    before: Mapping[tuple[int, int], Array], after: Mapping[tuple[int, int], Array], unit: str
) -> LatencyComparison:
    """The same process of the same session on both sides."""
    shared = sorted(before.keys() & after.keys())
    if not shared:
        return LatencyComparison(None, None, 0, None, "not timed in one session with its baseline")
    return compare_latency(
        [before[key] for key in shared], [after[key] for key in shared], higher_is_better=unit in MORE_IS_BETTER
    )


def untimed_cell(rows: DataFrame, baseline: DataFrame | None) -> CostCell:
    """Read once a run: the mean over runs, and its change, without an outcome."""
    cell = replace(blank_cell(rows, False), estimate=because(rows, once(rows)), by_run=by_run(rows))
    before = None if baseline is None else once(baseline).value
    if baseline is None or cell.estimate.value is None:
        return cell
    if not before:
        return replace(cell, reason="its baseline has no such reading" if before is None else "its baseline reads 0")
    return replace(cell, change=cell.estimate.value / before - 1)


def once(rows: DataFrame) -> Estimate:
    known = int(rows["value"].notna().sum())
    return Estimate(float(np.mean(by_run(rows))), None, known) if known else Estimate(None, None, 0, "no reading")


def by_run(rows: DataFrame) -> tuple[float, ...]:
    """The median of each run that has a reading."""
    values, runs = rows["value"].to_numpy(np.float64), rows["run"].to_numpy(np.int64)
    known = ~np.isnan(values)
    return tuple(float(np.median(values[known & (runs == run)])) for run in np.unique(runs[known]))


def blank_cell(rows: DataFrame, timed: bool) -> CostCell:
    metric, unit = (str(rows[name].iat[0]) for name in ("metric", "unit"))
    return CostCell(metric, unit, Estimate(None, None, 0), timed, ", ".join(sorted(set(rows["source"]))))


def because(rows: DataFrame, found: Estimate) -> Estimate:
    """An unknown estimate, with the meter's own reason."""
    if found.value is not None:
        return found
    reasons = rows["reason"].dropna()
    return found if reasons.empty else found._replace(reason=str(reasons.iloc[0]))
