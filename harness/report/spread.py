"""How the timed readings of each row are spread: quantiles, so that a plot needs no reading again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.report.costs import COMPARED
from harness.report.data import NO_SESSION, Data
from harness.report.model import Report, Row

SHARES = tuple(float(share) for share in np.linspace(0, 1, 41))


@dataclass(frozen=True)
class Spread:
    """One row's readings of one metric."""

    table: int
    row: int
    metric: str
    unit: str
    n: int
    quantiles: tuple[float, ...]  # at SHARES


def spreads(data: Data, report: Report) -> tuple[Spread, ...]:
    """Of every timed reading in a unit that is compared."""
    places = [(t, r, row) for t, table in enumerate(report.tables) for r, row in enumerate(table.rows)]
    return tuple(spread for place in places for spread in of(data, *place))


def of(data: Data, table: int, place: int, row: Row) -> Iterator[Spread]:
    wanted = {
        metric: cell.unit
        for metric, cell in row.costs.items()
        if cell.timed and cell.unit in COMPARED and cell.estimate.value is not None
    }
    if not wanted:
        return
    rows = data.readings((run.id, run.session_id) for run in row.runs if run.counts)
    known = rows[(rows["session"] != NO_SESSION) & (rows["process"] >= 0) & rows["value"].notna()]
    values = {str(metric): part["value"].to_numpy(np.float64) for metric, part in known.groupby("metric")}
    for metric, unit in wanted.items():
        if metric in values:
            found = np.quantile(values[metric], SHARES)
            yield Spread(table, place, metric, unit, len(values[metric]), tuple(map(float, found)))
