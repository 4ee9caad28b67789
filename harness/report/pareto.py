"""Which rows no other row beats, in one number against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.report.axes import Axis, require
from harness.report.layout import Cell, Column, Footnotes, Grid, Page, heading, names
from harness.report.model import Report, Row, Table
from harness.report.units import places_at, places_for, scale_for, spread
from harness.spec.errors import UsageError
from harness.stats.frontier import frontier
from harness.stats.intervals import Estimate

NOTE = "on the frontier: no other row is at least as good in both and better in one; by the numbers as shown, "
NOTE += "so rows whose intervals overlap may change places"


@dataclass(frozen=True)
class Tradeoff:
    """The rows of one table under two numbers."""

    table: Table
    x: Axis
    y: Axis
    on: tuple[bool, ...]  # the frontier, row by row

    def points(self, axis: Axis) -> list[Estimate]:
        return [axis.of(row) for row in self.table.rows]


def tradeoffs(report: Report, x: str, y: str) -> list[Tradeoff]:
    """One for each table that has both numbers.

    Raises:
        UsageError: no table has.
    """
    across, up = ({id(table): one for table, one in require(report, word)} for word in (x, y))
    for one in (*across.values(), *up.values()):
        if one.higher_is_better is None:
            raise UsageError(
                f"neither more nor less {one.name} is better, so it spans no frontier; name another number"
            )
    found = [
        tradeoff(table, across[id(table)], up[id(table)])
        for table in report.tables
        if id(table) in across.keys() & up.keys()
    ]
    if not found:
        raise UsageError(f"no table here has both {x} and {y}")
    return found


def tradeoff(table: Table, x: Axis, y: Axis) -> Tradeoff:
    points = [[nan(axis.of(row).value) for axis in (x, y)] for row in table.rows]
    return Tradeoff(
        table, x, y, tuple(map(bool, frontier(points, [bool(x.higher_is_better), bool(y.higher_is_better)])))
    )


def nan(value: float | None) -> float:
    return float("nan") if value is None else value


def page(found: Tradeoff) -> Page:
    table, footnotes = found.table, Footnotes()
    columns = names(table.rows, footnotes)
    columns += [number_column(axis, found.points(axis), footnotes) for axis in (found.y, found.x)]
    columns.append(Column("frontier", tuple(place(found, index) for index in range(len(table.rows)))))
    title = f"{found.y.title} against {found.x.title}"
    return Page(heading(table), [], [], [Grid(title, tuple(columns))], [], [], [NOTE, *footnotes.lines()])


def number_column(axis: Axis, found: Sequence[Estimate], footnotes: Footnotes) -> Column:
    known = [one.value for one in found if one.value is not None]
    scale = scale_for(axis.unit, known)
    places = places_for(axis.unit) if axis.unit == "%" else places_at(max(map(abs, known), default=0.0) * scale.factor)
    cells = [
        Cell(spread(one.value * scale.factor, one.interval and one.interval.half_width * scale.factor, places))
        if one.value is not None
        else footnotes.mark(one.reason)
        for one in found
    ]
    return Column(axis.title, tuple(cells), scale.unit)


def place(found: Tradeoff, index: int) -> Cell:
    """`yes`, else the first row on the frontier that beats it."""
    if found.on[index]:
        return Cell("yes", "best")
    mine = coordinates(found, found.table.rows[index])
    if np.isnan(mine).any():
        return Cell("unknown", "dim")
    rivals = (row for row, on in zip(found.table.rows, found.on, strict=True) if on)
    better = next(row for row in rivals if (coordinates(found, row) >= mine).all())
    return Cell(f"beaten by {better.name}", "dim")


def coordinates(found: Tradeoff, row: Row) -> np.ndarray:
    """More is better in both."""
    signs = [1 if axis.higher_is_better else -1 for axis in (found.x, found.y)]
    return np.array([sign * nan(axis.of(row).value) for sign, axis in zip(signs, (found.x, found.y), strict=True)])
