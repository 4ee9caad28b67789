"""Drawings of a comparison: quality against what it costs, and against compression. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report.axes import COMPRESSION, Axis, axis
from harness.report.layout import asked, heading
from harness.report.model import Report, Row, Table
from harness.report.pareto import Tradeoff, tradeoff
from harness.report.settings import settings_text
from harness.report.units import scale_for
from harness.spec.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = (".svg", ".png", ".pdf")
COSTS = ("memory", "latency", "energy")
NO_MATPLOTLIB = "plots need matplotlib: pip install 'harness-ml[plot]'"
WIDTH, HEIGHT = 5.2, 4.0  # inches a panel
MARKS = "osD^vP*X<>h"


def check(path: Path) -> None:
    """
    Raises:
        UsageError: no kind of file that can be drawn.
        HarnessError: matplotlib is not installed.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"can't draw {path}: its name must end in {', '.join(KINDS)}")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise HarnessError(NO_MATPLOTLIB) from None


def draw_comparison(report: Report, path: Path) -> None:
    """For each table and metric a row of panels: against each cost that is known, and against compression.

    Raises:
        UsageError: there is nothing to draw.
    """
    strips = [panels for table in report.tables for metric in table.metrics if (panels := strip(table, metric.name))]
    if not strips:
        raise UsageError("there is nothing to draw: no score stands beside a known memory, latency, energy or size")
    draw(strips, path)


def draw_frontier(found: Sequence[Tradeoff], path: Path) -> None:
    draw([[one] for one in found], path)


def strip(table: Table, metric: str) -> list[Tradeoff]:
    up = axis(table, metric)
    assert up is not None
    across = [one for word in (*COSTS, COMPRESSION) if (one := axis(table, word)) is not None]
    return [tradeoff(table, one, up) for one in across if any(drawable(one, up, row) for row in table.rows)]


def drawable(x: Axis, y: Axis, row: Row) -> bool:
    return x.of(row).value is not None and y.of(row).value is not None


def draw(strips: Sequence[Sequence[Tradeoff]], path: Path) -> None:
    from matplotlib.figure import Figure  # without pyplot no display is asked for, and nothing global changes

    across = max(map(len, strips))
    figure = Figure(figsize=(WIDTH * across, HEIGHT * len(strips)), layout="constrained")
    panels = figure.subplots(len(strips), across, squeeze=False)
    for strip, places in zip(strips, panels, strict=True):
        for found, place in zip(strip, places, strict=False):
            panel(place, found)
        for place in places[len(strip) :]:
            place.set_axis_off()
    figure.savefig(path, dpi=150)


def panel(place: Axes, found: Tradeoff) -> None:
    rows = [row for row in found.table.rows if drawable(found.x, found.y, row)]
    scale = scale_for(found.x.unit, [value for row in rows if (value := found.x.of(row).value) is not None])
    (lines if found.x.name == COMPRESSION else scatter)(place, found, rows, scale.factor)
    place.set_xlabel(f"{found.x.title} ({scale.unit})" if scale.unit else found.x.title)
    place.set_ylabel(f"{found.y.title} ({found.y.unit})" if found.y.unit else found.y.title)
    place.set_title(heading(found.table), fontsize="small")
    place.legend(fontsize="x-small")


def scatter(place: Axes, found: Tradeoff, rows: Sequence[Row], factor: float) -> None:
    """A point a row, with its intervals; the frontier as steps between those that no other beats."""
    for number, row in enumerate(rows):
        x, y = found.x.of(row), found.y.of(row)
        assert x.value is not None
        assert y.value is not None
        place.errorbar(
            x.value * factor, y.value,
            xerr=arms(x, factor), yerr=arms(y), label=f"{row.name} (baseline)" if row.role == "baseline" else row.name,
            marker="*" if row.role == "baseline" else MARKS[number % len(MARKS)],
            color="black" if row.role == "baseline" else f"C{number % 10}", linestyle="none", elinewidth=1, capsize=2,
        )  # fmt: skip
    on = [row for row, yes in zip(found.table.rows, found.on, strict=True) if yes]
    corners = sorted((nonan(found.x, row) * factor, nonan(found.y, row)) for row in on)
    where: Any = "pre" if found.x.higher_is_better else "post"
    place.step(
        *zip(*corners, strict=True), where=where, color="grey", linewidth=1, linestyle="--", zorder=0, label="frontier"
    )


def lines(place: Axes, found: Tradeoff, rows: Sequence[Row], factor: float) -> None:
    """A line a technique over the sizes it was run at, with a band as wide as the interval; the baseline level."""
    techniques: dict[str, list[Row]] = {}
    for row in rows:
        techniques.setdefault(technique(row), []).append(row)
    for number, (name, alike) in enumerate(techniques.items()):
        if alike[0].role == "baseline":
            level(place, found.y, alike[0])
            continue
        alike.sort(key=lambda row: nonan(found.x, row))
        across, up = ([nonan(one, row) for row in alike] for one in (found.x, found.y))
        color = f"C{number % 10}"
        place.plot([x * factor for x in across], up, marker=MARKS[number % len(MARKS)], color=color, label=name)
        ends = [found.y.of(row).interval for row in alike]
        if len(alike) == 1 and ends[0] is not None:
            place.vlines(across[0] * factor, *ends[0], color=color, alpha=0.5)
        elif all(ends):
            low, high = zip(*(end for end in ends if end), strict=True)
            place.fill_between([x * factor for x in across], low, high, color=color, alpha=0.15, linewidth=0)


def technique(row: Row) -> str:
    """What is one line: the method with all its settings but the one that asks for a size."""
    knob = asked(row.compression)[0]
    others = {name: value for name, value in row.settings.items() if name.rpartition(".")[2] != knob}
    name = f"{row.label} ({settings_text(others)})" if others else row.label
    return f"{name} (control)" if row.role == "control" else name


def level(place: Axes, y: Axis, baseline: Row) -> None:
    found = y.of(baseline)
    place.axhline(nonan(y, baseline), color="black", linewidth=1, linestyle=":", label=f"{baseline.label} (baseline)")
    if found.interval is not None:
        place.axhspan(*found.interval, color="black", alpha=0.07, linewidth=0)


def nonan(one: Axis, row: Row) -> float:
    value = one.of(row).value
    assert value is not None
    return value


def arms(found: Any, factor: float = 1.0) -> list[list[float]] | None:
    """Lengths of an error bar; an interval of a mean need not be centred on it."""
    if found.interval is None:
        return None
    low, high = found.interval
    return [[max(0.0, found.value - low) * factor], [max(0.0, high - found.value) * factor]]
