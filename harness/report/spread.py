"""How the timed readings of each row are spread: quantiles, so that a plot needs no reading again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.report.costs import COMPARED
from harness.report.data import Data, by_process
from harness.report.model import Report

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
    return tuple(
        spread
        for t, table in enumerate(report.tables)
        for r, row in enumerate(table.rows)
        for cell in row.costs.values()
        if cell.timed and cell.unit in COMPARED and cell.estimate.value is not None
        if (
            spread := measured(
                data, t, r, cell.metric, cell.unit, [(run.id, run.session_id) for run in row.runs if run.counts]
            )
        )
    )


def measured(
    data: Data, table: int, row: int, metric: str, unit: str, runs: list[tuple[int, int | None]]
) -> Spread | None:
    values = [
        value
        for run, session in runs
        for group in timed(data, run, session, metric)
        for value in group[~np.isnan(group)]
    ]
    if not values:
        return None
    found = tuple(float(one) for one in np.quantile(values, SHARES))
    return Spread(table, row, metric, unit, len(values), found)


def timed(data: Data, run: int, session: int | None, metric: str) -> list[np.ndarray]:
    rows = data.readings(run, session)
    rows = rows[(rows["metric"] == metric) & rows["session"].notna()]
    return list(by_process(rows).values()) if len(rows) else []
