"""A comparison as one wide table: names, then quality, latency, memory, FLOPs, energy.

The numbers are as `harness.report` lays them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.axes import known_first
from harness.report.layout import (
    Column,
    Footnotes,
    Grid,
    cost_column,
    cost_metrics,
    names,
    quality_grid,
    strata_grid,
    unread,
)
from harness.report.model import Row, Table
from harness.report.notes import alarms, legend

KINDS = (("Latency", {"s", "token/s"}), ("Memory", {"B"}), ("FLOPs", {"FLOP"}), ("Energy", {"J"}))
HIDDEN = {"MDE", "p"}  # until they are chosen


@dataclass(frozen=True)
class Shown:
    """One column of the page."""

    column: Column
    group: int
    key: str  # in the address
    hidden: bool = False


@dataclass(frozen=True)
class Wide:
    groups: tuple[tuple[str, int], ...]  # title, how many columns
    columns: tuple[Shown, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    subtasks: tuple[Grid, ...]


def wide(table: Table) -> Wide:
    footnotes = Footnotes()
    told = names(table.rows, footnotes)
    groups: list[tuple[str, list[Column]]] = [("", told)]
    for index, metric in enumerate(table.metrics):
        better = "↑" if metric.higher_is_better else "↓"
        grid = quality_grid(table, index, metric, footnotes)
        groups.append((f"Quality: {metric.name} {better}", list(grid.columns[len(told) :])))
    cells = known_first(table)
    for title, units in KINDS:
        metrics = [one for one in cost_metrics(table.rows) if cells[one].unit in units]
        groups.append((title, [column for one in metrics for column in cost_column(table.rows, one, footnotes)]))
    subtasks = [grid for at, metric in enumerate(table.metrics) for grid in strata_grid(table, at, metric, footnotes)]
    filled = [(title, columns) for title, columns in groups if columns]
    return Wide(
        groups=tuple((title, len(columns)) for title, columns in filled),
        columns=tuple(shown(filled)),
        rows=table.rows,
        footnotes=(*footnotes.lines(), *unread(table)),
        subtasks=tuple(subtasks),
    )


def shown(groups: Sequence[tuple[str, Sequence[Column]]]) -> Iterable[Shown]:
    for group, (_, columns) in enumerate(groups):
        for place, column in enumerate(columns):
            yield Shown(column, group, f"{group}.{place}", group > 0 and column.header in HIDDEN)


def told_beside(table: Table) -> tuple[list[str], list[str]]:
    """What must be said before the table, and below it."""
    return alarms(table), list(dict.fromkeys([*legend(table), *table.notes]))
