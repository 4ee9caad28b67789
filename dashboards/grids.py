"""A comparison as one wide table: names, then quality, latency, memory, FLOPs, energy.

The numbers are as `harness.report` lays them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.axes import axis, known_first
from harness.report.costs import MORE_IS_BETTER
from harness.report.layout import (
    Column,
    Footnotes,
    Grid,
    builds_grid,
    cost_column,
    cost_metrics,
    names,
    quality_grid,
    strata_grid,
    unread,
)
from harness.report.model import Row, Table
from harness.report.notes import alarms, legend
from harness.report.units import places_for, spread

KINDS = {"Latency": {"s", *MORE_IS_BETTER}, "Memory": {"B"}, "FLOPs": {"FLOP"}, "Energy": {"J"}}
ONCE = "Preparing, once"  # training, calibrating, building
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
    details: tuple[Grid, ...]  # by subtask, between seeds


def wide(table: Table) -> Wide:
    footnotes = Footnotes()
    told = names(table.rows, footnotes)
    groups: list[tuple[str, list[Column]]] = [("", told)]
    for index, metric in enumerate(table.metrics):
        better = {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]
        grid = quality_grid(table, index, metric, footnotes)
        groups.append((f"Quality: {metric.name}{better}", list(grid.columns[len(told) :])))
    cells = known_first(table)
    for title in (*KINDS, ONCE):
        metrics = [one for one in cost_metrics(table.rows) if kind(one, cells[one].unit) == title]
        groups.append((title, [column for one in metrics for column in cost_column(table.rows, one, footnotes)]))
    subtasks = [grid for at, metric in enumerate(table.metrics) for grid in strata_grid(table, at, metric, footnotes)]
    filled = [(title, columns) for title, columns in groups if columns]
    return Wide(
        groups=tuple((title, len(columns)) for title, columns in filled),
        columns=tuple(shown(filled)),
        rows=table.rows,
        footnotes=(*footnotes.lines(), *unread(table)),
        details=(*subtasks, *builds_grid(table)),
    )


def kind(metric: str, unit: str) -> str:
    """Which group of columns a reading belongs to."""
    if metric == "build_s" or metric.startswith("prepare_") or "_prepare_" in metric:
        return ONCE
    return next(title for title, units in KINDS.items() if unit in units)


def shown(groups: Sequence[tuple[str, Sequence[Column]]]) -> Iterable[Shown]:
    for group, (_, columns) in enumerate(groups):
        for place, column in enumerate(columns):
            yield Shown(column, group, f"{group}.{place}", group > 0 and column.header in HIDDEN)


def told_beside(table: Table) -> tuple[list[str], list[str]]:
    """What must be said before the table, and below it."""
    return alarms(table), list(dict.fromkeys([*legend(table), *table.notes]))


# The answer first.


@dataclass(frozen=True)
class Winner:
    """The best of one column, and what is said of it beside the baseline."""

    what: str
    place: int
    row: Row
    value: str
    said: str
    is_quality: bool


def winners(table: Table) -> list[Winner]:
    """Of each metric and of the costs that people ask for first; baseline and controls do not compete."""
    footnotes = Footnotes()
    found = []
    for index, metric in enumerate(table.metrics):
        values = [row.quality[index].estimate.value for row in table.rows]
        place = best(table.rows, values, metric.higher_is_better)
        if place is not None:
            cells = {one.header: one.cells[place].text for one in quality_grid(table, index, metric, footnotes).columns}
            change = change_words(cells.get("Δ", ""), cells.get("95 % interval", ""))
            said = " ".join(filter(None, (cells.get("outcome"), change)))
            title = f"{'Highest' if metric.higher_is_better else 'Lowest'} {metric.name}"
            value = f"{cells['score']} {metric.unit}".rstrip()
            found.append(Winner(title, place, table.rows[place], value, said, True))
    for word, title in COSTS_ASKED.items():
        one = axis(table, word)
        if one is None or one.name not in cost_metrics(table.rows):
            continue
        place = best(table.rows, [one.of(row).value for row in table.rows], one.higher_is_better)
        if place is not None:
            column, *changes = cost_column(table.rows, one.name, footnotes)
            said = changes[0].cells[place].text if changes else relative(table.rows[place], one.name)
            said = "; ".join(filter(None, (said, at_score(table.rows[place]))))
            value = f"{column.cells[place].text} {column.unit}".rstrip()
            found.append(Winner(f"{title}: {one.title}", place, table.rows[place], value, said, False))
    return found


COSTS_ASKED = {"latency": "Fastest", "memory": "Smallest", "energy": "Least energy", "prepare_s": "Quickest"}


def best(rows: Sequence[Row], values: Sequence[float | None], more: bool | None) -> int | None:
    if more is None:
        return None
    known = [
        (value, place)
        for place, (row, value) in enumerate(zip(rows, values, strict=True))
        if value is not None and row.counts and row.role == "method"
    ]
    if not known:
        return None
    top = max(value for value, _ in known) if more else min(value for value, _ in known)
    return next(place for value, place in known if value == top)


def change_words(delta: str, interval: str) -> str:
    return f"against the baseline: {delta} {interval.strip('–')}".rstrip() if delta.strip("–") else ""


def at_score(row: Row) -> str:
    """What quality the saving leaves."""
    cell = next((one for one in row.quality if one.estimate.value is not None), None)
    if cell is None or cell.estimate.value is None:
        return ""
    value = spread(cell.estimate.value * cell.metric.scale, None, places_for(cell.metric.unit))
    return f"at {cell.metric.name} {value} {cell.metric.unit}".rstrip()


def relative(row: Row, metric: str) -> str:
    change = row.costs[metric].change
    return "" if change is None else f"{change:+.1%} against the baseline, not called"
