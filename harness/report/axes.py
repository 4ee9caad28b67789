"""Numbers of a table by name: a metric, a reading, or what people call one."""

from __future__ import annotations

from dataclasses import dataclass

from harness.plugin.knobs import nearest
from harness.report.costs import MORE_IS_BETTER
from harness.report.model import CostCell, QualityCell, Report, Row, Table
from harness.report.words import COSTS, cost_name
from harness.spec.errors import UsageError
from harness.stats.intervals import Estimate, Interval

QUALITY = "quality"  # the task's first metric
COMPRESSION = "compression"  # the share of bytes removed, of weights where a method acts on them
ALIASES = {  # the first of these that a table knows
    "latency": ("latency_s",),
    "memory": ("cache_bytes", "peak_allocated_bytes", "peak_rss_bytes"),
    "energy": ("energy_j",),
}


@dataclass(frozen=True)
class Axis:
    """One number every row of a table may have, in the unit exports show."""

    name: str
    title: str
    unit: str
    higher_is_better: bool | None

    def of(self, row: Row) -> Estimate:
        """This row's. Unknown is None, with a reason."""
        if not row.counts:
            return Estimate(None, None, 0, f"it is {row.status}")
        if self.name == COMPRESSION:
            share, reason = row.compression.share, row.compression.reason
            return Estimate(None, None, row.done, reason) if share is None else Estimate(100 * share, None, row.done)
        if (quality := quality_cell(row, self.name)) is not None:
            return scaled(quality)
        cost = row.costs.get(self.name)
        return cost.estimate if cost else Estimate(None, None, 0, "not read in this study")


def scaled(cell: QualityCell) -> Estimate:
    found, scale = cell.estimate, cell.metric.scale
    if found.value is None:
        return found
    interval = found.interval and Interval(found.interval.low * scale, found.interval.high * scale)
    return found._replace(value=found.value * scale, interval=interval)


def quality_cell(row: Row, name: str) -> QualityCell | None:
    return next((cell for cell in row.quality if cell.metric.name == name), None)


def axis(table: Table, word: str) -> Axis | None:
    """What `word` means in this table, None where the table has no such number."""
    if word == COMPRESSION:
        return Axis(COMPRESSION, "removed", "%", True)
    for metric in table.metrics:
        if word in (metric.name, QUALITY):
            return Axis(metric.name, metric.name, metric.unit, metric.higher_is_better)
    cells = known_first(table)
    for name in ALIASES.get(word, (word,)):
        if name in cells and (cells[name].estimate.value is not None or name == word):
            return cost_axis(cells[name])
    named = [name for name, cell in cells.items() if cost_name(name) == word or name.rpartition("_")[0] == word]
    named += [name for name in ALIASES.get(word, ()) if name in cells]  # all unknown: the first says why
    return cost_axis(cells[named[0]]) if named else None


def cost_axis(cell: CostCell) -> Axis:
    return Axis(cell.metric, cost_name(cell.metric), cell.unit, cell.unit in MORE_IS_BETTER)


def known_first(table: Table) -> dict[str, CostCell]:
    """By reading the cell of some row, of one that knows its value where there is one."""
    found: dict[str, CostCell] = {}
    for row in table.rows:
        for name, cell in row.costs.items():
            if name not in found or found[name].estimate.value is None:
                found[name] = cell
    return found


def require(report: Report, word: str) -> list[tuple[Table, Axis]]:
    """The tables that have such a number.

    Raises:
        UsageError: none has.
    """
    found = [(table, one) for table in report.tables if (one := axis(table, word)) is not None]
    if not found:
        names = list(dict.fromkeys(name for table in report.tables for name in names_in(table)))
        raise UsageError(f"no number is called {word!r} here{nearest(word, names)} (there are: {', '.join(names)})")
    return found


def names_in(table: Table) -> list[str]:
    readings = known_first(table)
    aliases = [alias for alias, names in ALIASES.items() if any(name in readings for name in names)]
    quality = [QUALITY, *(metric.name for metric in table.metrics)] if table.metrics else []
    ordered = [*(name for name in COSTS if name in readings), *sorted(readings.keys() - COSTS.keys())]
    return [*quality, *aliases, COMPRESSION, *ordered]
