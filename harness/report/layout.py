"""A comparison laid out as text, for whatever draws it: a terminal, markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from harness.report.costs import MORE_IS_BETTER
from harness.report.model import NOT_COUNTED_HERE, Compression, CostCell, QualityCell, Row, Table
from harness.report.notes import alarms, legend, protocol
from harness.report.settings import settings_text
from harness.report.units import p_value, places_at, places_for, scale_for, spread
from harness.report.words import COSTS, cost_name, sentences
from harness.spec.records import Metric, Source

UNKNOWN = "–"
BETTER = {True: "more is better", False: "less is better", None: "neither more nor less is better"}
MOST_STRATA = 40

# Readings in these units have a column, those of COSTS first, but for:
COST_UNITS = {"s", "B", "FLOP", "J", *MORE_IS_BETTER}
SPREAD = ("latency_s", "build_s", "index_bytes")  # readings that tell builds apart
EXPORT_ONLY = {
    *("device_latency_s", "peak_reserved_bytes", "process_device_bytes", "window_s", "itl_s"),
    *("prepare_peak_rss_bytes", "prepare_peak_reserved_bytes", "prepare_process_device_bytes"),
}


@dataclass(frozen=True)
class Cell:
    text: str
    style: str = ""  # best bad dim


@dataclass(frozen=True)
class Column:
    header: str
    cells: tuple[Cell, ...]
    unit: str = ""
    words: bool = False  # text that may wrap; numbers never do
    tells_rows: bool = False  # comes again wherever the grid is split
    joined: bool = False  # stays beside the column before it


@dataclass(frozen=True)
class Grid:
    title: str
    columns: tuple[Column, ...]


@dataclass
class Page:
    """Everything there is to show of one table, top to bottom."""

    title: str
    conditions: list[str]
    alarms: list[str]
    quality: list[Grid]
    sentences: list[str]
    costs: list[Grid]
    notes: list[str]
    subtasks: list[Grid] = field(default_factory=list)
    builds: list[Grid] = field(default_factory=list)

    @property
    def details(self) -> list[Grid]:
        """What stands below the sentences."""
        return [*self.subtasks, *self.builds, *self.costs]


@dataclass
class Footnotes:
    """Reasons of unknown numbers, each told once."""

    reasons: list[str] = field(default_factory=list)

    def mark(self, reason: str | None) -> Cell:
        if not reason:
            return Cell(UNKNOWN, "dim")
        if reason not in self.reasons:
            self.reasons.append(reason)
        number = str(self.reasons.index(reason) + 1)
        return Cell(UNKNOWN + number.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")), "dim")

    def lines(self) -> list[str]:
        return [f"{self.mark(reason).text[1:]} {reason}" for reason in self.reasons]


def lay_out(table: Table) -> Page:
    footnotes = Footnotes()
    quality = [quality_grid(table, index, metric, footnotes) for index, metric in enumerate(table.metrics)]
    costs = cost_grid(table, footnotes)
    return Page(
        title=heading(table),
        conditions=conditions(table),
        alarms=alarms(table),
        quality=quality,
        sentences=[line for row in table.rows for line in sentences(row, table.baseline_of(row))],
        subtasks=[
            grid for index, metric in enumerate(table.metrics) for grid in strata_grid(table, index, metric, footnotes)
        ],
        builds=builds_grid(table),
        costs=[costs] if costs else [],
        notes=[*footnotes.lines(), *unread(table), *legend(table), *table.notes],
    )


def heading(table: Table) -> str:
    seeds = f"seed {table.seeds[0]}" if len(table.seeds) == 1 else f"seeds {', '.join(map(str, table.seeds))}"
    return f"{table.task} on {table.model} ({table.device}), {seeds}"


def conditions(table: Table) -> list[str]:
    lines = [" · ".join(f"{key}: {value}" for key, value in table.conditions.items())] if table.conditions else []
    lines += ["data: " + "; ".join(map(source, table.sources))] if table.sources else []
    return lines + [f"costs: {one}" for one in protocol(table)]


def source(one: Source) -> str:
    details = [one.split, one.note, f"sha256 {one.sha256[:12]}" if one.sha256 else None]
    told = ", ".join(detail for detail in details if detail)
    return f"{one.name}, {one.count:,}" + (f" ({told})" if told else "")


def names(rows: Sequence[Row], footnotes: Footnotes) -> list[Column]:
    """The columns that say which row it is."""
    roles = {"method": "", "baseline": " (baseline)", "control": " (control)"}
    labels = tuple(Cell(row.label + roles.get(row.role, "")) for row in rows)
    told = [{knob: value for knob, value in row.settings.items() if knob != asked(row.compression)[0]} for row in rows]
    settings = tuple(Cell(settings_text(one)) for one in told)
    columns = [Column("method", labels, words=True, tells_rows=True)]
    columns += [Column("settings", settings, words=True, tells_rows=True)] if any(told) else []
    return [*columns, *sizes(rows, footnotes)]


# Quality.


def quality_grid(table: Table, index: int, metric: Metric, footnotes: Footnotes) -> Grid:
    rows, cells, unit = table.rows, [row.quality[index] for row in table.rows], metric.unit
    best = best_of(rows, [cell.estimate.value for cell in cells], metric.higher_is_better)
    columns = names(rows, footnotes)
    scores = [score(r, c, b, footnotes) for r, c, b in zip(rows, cells, best, strict=True)]
    columns.append(Column("score", tuple(scores), unit))
    if any(cell.comparison for cell in cells):
        columns += comparison_columns(cells, unit, footnotes)
    return Grid(f"Quality: {metric.name}, {BETTER[metric.higher_is_better]}", tuple(columns))


def strata_grid(table: Table, index: int, metric: Metric, footnotes: Footnotes) -> list[Grid]:
    """What the score is a mean of, where that is more than one and no more than a reader can take in."""
    cells = [row.quality[index] for row in table.rows]
    strata = sorted({name for cell in cells for name in cell.strata})
    if not 1 < len(strata) <= MOST_STRATA:
        return []
    columns = names(table.rows, footnotes)
    for name in strata:
        values = [cell.strata.get(name) for cell in cells]
        best = best_of(table.rows, values, metric.higher_is_better)
        places = places_for(metric.unit)
        texts = [UNKNOWN if one is None else spread(one * metric.scale, None, places) for one in values]
        shown = tuple(Cell(text, "best" if top else "") for text, top in zip(texts, best, strict=True))
        columns.append(Column(name, shown, metric.unit))
    return [Grid(f"{metric.name} by subtask, means", tuple(columns))]


def builds_grid(table: Table) -> list[Grid]:
    """How far builds or trainings of one setting lie apart: what no interval over samples tells."""
    rows = [row for row in table.rows if row.quality and len(row.quality[0].by_run) > 1]
    if not rows:
        return []
    columns = names(rows, Footnotes())
    columns.append(Column("seeds", tuple(Cell(str(len(row.quality[0].by_run))) for row in rows)))
    for index, metric in enumerate(table.metrics):
        found = [[one * metric.scale for one in row.quality[index].by_run] for row in rows]
        places = places_for(metric.unit)
        ends = tuple(Cell(f"{min(one):.{places}f} to {max(one):.{places}f}" if one else UNKNOWN) for one in found)
        apart = tuple(Cell(f"{stdev(one):.{places + 1}f}" if len(one) > 1 else UNKNOWN) for one in found)
        columns += [Column(metric.name, ends, metric.unit), Column("sd", apart, metric.unit, joined=True)]
    for name in SPREAD:
        values = [row.costs[name].by_run if name in row.costs else () for row in rows]
        if any(len(one) > 1 for one in values):
            apart = tuple(
                Cell(f"{stdev(one) / fmean(one):.1%}" if len(one) > 1 and fmean(one) else UNKNOWN) for one in values
            )
            columns.append(Column(f"{cost_name(name)}, sd", apart, "of mean"))
    return [Grid("Between seeds, each a build or training of its own", tuple(columns))]


def comparison_columns(cells: Sequence[QualityCell], unit: str, footnotes: Footnotes) -> list[Column]:
    """Blank for the baseline; a row that can't be compared says why, once."""
    why = [footnotes.mark(c.reason) if c.reason and c.reason != NOT_COUNTED_HERE else Cell("") for c in cells]
    deltas = [Cell(points(c, "delta") or UNKNOWN) if c.comparison else w for c, w in zip(cells, why, strict=True)]

    def column(header: str, unit: str, text: Callable[[QualityCell], str]) -> Column:
        return Column(header, tuple(Cell((text(c) or UNKNOWN) if c.comparison else "") for c in cells), unit)

    outcomes = [c.comparison.outcome if c.comparison else "" for c in cells]
    return [
        Column("Δ", tuple(deltas), unit),
        column("95 % interval", unit, interval),
        column("p", "", p_of),
        column("n", "", lambda cell: str(cell.comparison.n) if cell.comparison else ""),
        Column("outcome", tuple(Cell(outcome, outcome) for outcome in outcomes)),
        column("MDE", unit, lambda cell: points(cell, "mde")),
    ]


def score(row: Row, cell: QualityCell, best: bool, footnotes: Footnotes) -> Cell:
    if not row.counts:
        return Cell(row.status.upper(), "bad")
    found, metric = cell.estimate, cell.metric
    if found.value is None:
        return footnotes.mark(found.reason)
    half = None if found.interval is None else found.interval.half_width * metric.scale
    text = spread(found.value * metric.scale, half, places_for(metric.unit))
    return Cell(text if row.finished else f"{text} ({row.done}/{row.planned})", "best" if best else "")


def points(cell: QualityCell, name: str) -> str:
    value = getattr(cell.comparison, name)
    sign = "+" if name == "delta" else ""
    return "" if value is None else f"{value * cell.metric.scale:{sign}.{places_for(cell.metric.unit)}f}"


def interval(cell: QualityCell) -> str:
    found = cell.comparison.interval if cell.comparison else None
    if found is None:
        return ""
    places, scale = places_for(cell.metric.unit), cell.metric.scale
    return f"[{found.low * scale:+.{places}f}, {found.high * scale:+.{places}f}]"


def p_of(cell: QualityCell) -> str:
    found = cell.comparison
    if found is None or found.p is None:
        return ""
    return p_value(found.p if found.p_adjusted is None else found.p_adjusted)


def sizes(rows: Sequence[Row], footnotes: Footnotes) -> list[Column]:
    """Share of bytes removed: of weights where any row acts on them, of caches where any row asked for or got it."""
    found = [row.compression for row in rows]
    columns = []
    if any(one.weights is not None for one in found):
        columns.append(Column("weights", tuple(weight(one) for one in found), "removed", tells_rows=True))
    if any(one.ratio or asked(one)[0] for one in found):
        columns.append(Column("removed", tuple(size(one, footnotes) for one in found), "asked → got", tells_rows=True))
    return columns


def size(found: Compression, footnotes: Footnotes) -> Cell:
    wanted = asked(found)[1]
    if found.ratio is None:
        got = footnotes.mark(found.reason)
    else:
        got = Cell(f"{found.ratio:.1%}" + (" sim" if found.simulated else ""))
    return Cell(f"{wanted} → {got.text}", got.style) if wanted else got


def weight(found: Compression) -> Cell:
    return Cell("" if found.weights is None else f"{found.weights:.1%}")


def asked(found: Compression) -> tuple[str, str]:
    """The knob that asks for a size, and what it asks."""
    shapes = {"compression_ratio": "{:.1%}", "compression_factor": "{:g}×", "budget_tokens": "{:g} tokens"}
    for name, shape in shapes.items():
        if name in found.nominal:
            return name, shape.format(found.nominal[name])
    return "", ""


def best_of(rows: Sequence[Row], values: Sequence[float | None], more: bool | None) -> list[bool]:
    """The best of at least two finished rows, where there is a best; the baseline does not compete."""
    running = [
        value if row.role != "baseline" and row.finished else None for row, value in zip(rows, values, strict=True)
    ]
    known = [value for value in running if value is not None]
    if more is None or len(known) < 2 or len(set(known)) == 1:
        return [False] * len(rows)
    top = max(known) if more else min(known)
    return [value == top for value in running]


# Costs.


def cost_grid(table: Table, footnotes: Footnotes) -> Grid | None:
    columns = [cost_column(table.rows, metric, footnotes) for metric in cost_metrics(table.rows)]
    if not columns:
        return None
    return Grid("Cost", (*names(table.rows, footnotes), *(column for group in columns for column in group)))


def cost_metrics(rows: Iterable[Row]) -> list[str]:
    """Those known of some row that counts, people's first."""
    cells = [cell for row in rows for cell in row.costs.values()]
    known = {
        cell.metric
        for cell in cells
        if cell.estimate.value is not None and cell.unit in COST_UNITS and cell.metric not in EXPORT_ONLY
    }
    return [*(metric for metric in COSTS if metric in known), *sorted(known - COSTS.keys(), key=natural)]


def natural(name: str) -> list[tuple[int, str]]:
    """Orders by numbers in a name as numbers are."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def cost_column(rows: Sequence[Row], metric: str, footnotes: Footnotes) -> list[Column]:
    """The reading, and its change where that may be called something."""
    cells = [row.costs.get(metric) for row in rows]
    values = [cell.estimate.value if cell else None for cell in cells]
    unit = next(cell.unit for cell in cells if cell)
    known = [value for value in values if value is not None]
    scale = scale_for(unit, known)
    places = places_at(max(map(abs, known), default=0.0) * scale.factor)
    best = best_of(rows, values, unit in MORE_IS_BETTER)
    shown = [cost(r, c, scale.factor, places, b, footnotes) for r, c, b in zip(rows, cells, best, strict=True)]
    found = [Column(cost_name(metric), tuple(shown), scale.unit)]
    decided = [cell for cell in cells if cell and cell.comparison and cell.comparison.interval]
    if decided:
        found.append(Column("change", tuple(change(cell) for cell in cells), joined=True))
    return found


def cost(row: Row, cell: CostCell | None, factor: float, places: int, best: bool, footnotes: Footnotes) -> Cell:
    if not row.counts:
        return Cell(row.status.upper(), "bad")
    if cell is None:
        return footnotes.mark("not read in this study")
    if cell.estimate.value is None:
        return footnotes.mark(cell.estimate.reason)
    half = None if cell.estimate.interval is None else cell.estimate.interval.half_width * factor
    text = spread(cell.estimate.value * factor, half, places if half is None else None)
    return Cell(text, "best" if best else "")


def change(cell: CostCell | None) -> Cell:
    found = cell.comparison if cell else None
    if found is None or found.change is None:
        return Cell("")
    return Cell(f"{found.change:+.1%} {found.outcome or ''}".rstrip(), found.outcome or "")


def unread(table: Table) -> list[str]:
    """Readings that no row has, with the reason, instead of a column of dashes."""
    cells = [cell for row in table.rows for cell in row.costs.values() if cell.unit in COST_UNITS]
    known = {cell.metric for cell in cells if cell.estimate.value is not None}
    missing = {cell.metric: cell.estimate.reason for cell in cells if cell.metric not in known}
    by_reason: dict[str, list[str]] = {}
    for metric, reason in missing.items():
        by_reason.setdefault(reason or "no reason given", []).append(metric)
    return [f"{UNKNOWN} {', '.join(metrics)}: {reason}" for reason, metrics in by_reason.items()]
