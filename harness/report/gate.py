"""Conditions under which a comparison fails: `quality<-1%`, `latency>5%`.

A condition is about the change against the baseline: relative with `%`, else absolute in the unit
that exports show. It holds where the number as shown holds it; a number that is unknown fails too.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.report.axes import Axis, quality_cell, require
from harness.report.model import Report, Row, Table
from harness.spec.errors import RegressionError, UsageError
from harness.stats.intervals import Interval

OPERATORS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
GRAMMAR = re.compile(
    r"\s*(?P<name>[^<>=]*[^<>=\s])\s*(?P<sign><=|>=|<|>)\s*"
    r"(?P<bound>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<percent>%?)\s*"
)


@dataclass(frozen=True)
class Condition:
    name: str
    sign: str
    bound: float
    relative: bool  # `bound` is a percentage of the baseline's value

    def holds(self, change: float) -> bool:
        return bool(OPERATORS[self.sign](change, self.bound))

    def __str__(self) -> str:
        return f"{self.name}{self.sign}{self.bound:g}{'%' if self.relative else ''}"


@dataclass(frozen=True)
class Change:
    """Against the baseline, as a condition asks for it. Unknown is None, with a reason."""

    value: float | None
    interval: Interval | None = None
    reason: str | None = None


def read(text: str) -> Condition:
    """
    Raises:
        UsageError: it is no condition.
    """
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise UsageError(
            f"can't read the condition {text!r}: it is NAME<NUMBER or NAME>NUMBER, with % where it is relative "
            "to the baseline, such as 'quality<-1%' or 'latency>5%'"
        )
    return Condition(found["name"], found["sign"], float(found["bound"]), bool(found["percent"]))


def enforce(conditions: Iterable[Condition], report: Report) -> None:
    """
    Raises:
        UsageError: a condition names no number of this comparison, or nothing here is compared.
        RegressionError: one holds of a method, or can't be told.
    """
    found = [line for condition in conditions for line in broken(condition, report)]
    if found:
        raise RegressionError("\n  ".join(["the comparison fails:", *found]))


def broken(condition: Condition, report: Report) -> list[str]:
    places = [(table, axis, row) for table, axis in require(report, condition.name) for row in compared(table)]
    if not places:
        raise UsageError(f"nothing here is compared with a baseline, so {condition} can't be checked")
    lines = [told(condition, axis, row, change(condition, axis, row, table)) for table, axis, row in places]
    where = len(report.tables) > 1
    return [
        f"{line} ({table.task}, {table.model})" if where else line
        for line, (table, _, _) in zip(lines, places, strict=True)
        if line
    ]


def compared(table: Table) -> list[Row]:
    return [row for row in table.rows if row.role == "method"]


def told(condition: Condition, axis: Axis, row: Row, found: Change) -> str | None:
    """What is wrong with this row, or None."""
    if found.value is None:
        return f"{row.name}: the change of {axis.title} is unknown, so {condition} can't be checked: {found.reason}"
    if not condition.holds(found.value):
        return None
    unit = "%" if condition.relative else "points" if axis.unit == "%" else axis.unit
    line = f"{row.name}: {axis.title} {found.value:+.4g} {unit}".rstrip()
    if found.interval is not None:
        low, high = found.interval
        sure = condition.holds(low) and condition.holds(high)
        line += f" [{low:+.4g}, {high:+.4g}]" + ("" if sure else ", an interval that reaches beyond the bound")
    return f"{line}: {condition}"


def change(condition: Condition, axis: Axis, row: Row, table: Table) -> Change:
    value = axis.of(row)
    if value.value is None:
        return Change(None, None, value.reason or "no reason given")
    return (quality_change if quality_cell(row, axis.name) else cost_change)(condition, axis, row, table)


def quality_change(condition: Condition, axis: Axis, row: Row, table: Table) -> Change:
    """The paired difference; its share of the baseline's own score."""
    cell = quality_cell(row, axis.name)
    assert cell is not None
    found = cell.comparison
    if found is None or found.delta is None:
        return Change(None, None, cell.reason if found is None else found.reason)
    factor = cell.metric.scale
    if condition.relative:
        before = baseline_value(axis, row, table)
        if not before:
            return Change(None, None, "the baseline's is 0" if before == 0 else "the baseline's is unknown")
        factor *= 100 / abs(before)
    interval = found.interval and Interval(found.interval.low * factor, found.interval.high * factor)
    return Change(found.delta * factor, interval)


def cost_change(condition: Condition, axis: Axis, row: Row, table: Table) -> Change:
    """Relative: paired where it was timed, as the table shows it. Absolute: the difference of what is shown."""
    value, before = axis.of(row).value, baseline_value(axis, row, table)
    cell = row.costs.get(axis.name)
    if not condition.relative:
        known = value is not None and before is not None
        return Change(value - before) if known else Change(None, None, "the baseline's is unknown")  # type: ignore[operator]
    if cell is None or cell.change is None:
        return Change(None, None, (cell.reason if cell else None) or "the baseline's is unknown")
    interval = cell.comparison.interval if cell.comparison else None
    return Change(100 * cell.change, interval and Interval(100 * interval.low, 100 * interval.high))


def baseline_value(axis: Axis, row: Row, table: Table) -> float | None:
    baseline = table.baseline_of(row)
    return axis.of(baseline).value if baseline else None
