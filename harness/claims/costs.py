"""Claims about a timed reading: the newest session that decides, and what it says, as a comparison of processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.costs import MORE_IS_BETTER
from harness.report.model import Row
from harness.spec.records import Metric
from harness.stats.intervals import Estimate
from harness.stats.paired import Comparison
from harness.store import queries

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.store.writer import Store


def timed_together(store: Store, readings: DataFrame, runs: Sequence[int]) -> int | None:
    """The newest session that timed all of them by a measure that decides."""
    each = [set(readings.loc[readings["run"] == run, "session"].dropna()) for run in runs]
    found = queries.sessions(store, map(int, set.intersection(*each)))
    return max((number for number, one in found.items() if one.measure["decides"]), default=None)


def change(row: Row, cost: str) -> Comparison:
    """Against the row's baseline; p is not known of it."""
    cell = row.costs.get(cost)
    if cell is None or cell.comparison is None:
        why = f"{cost} was not read in one session of these runs that decides"
        return Comparison(None, None, None, 0, 0, None, "undecided", why)
    found = cell.comparison
    n, outcome = found.processes, found.outcome or "undecided"
    return Comparison(found.change, found.interval, None, n, n, None, outcome, found.reason)


def metric(rows: Sequence[Row], cost: str) -> Metric:
    """Of its relative change."""
    units = [row.costs[cost].unit for row in rows if cost in row.costs]
    return Metric(cost, "%", bool(units) and units[0] in MORE_IS_BETTER, scale=100.0)


def estimate(row: Row, cost: str) -> tuple[Estimate, str]:
    """What it read, in which unit."""
    cell = row.costs.get(cost)
    return (cell.estimate, cell.unit) if cell else (Estimate(None, None, 0, "not timed"), "")
