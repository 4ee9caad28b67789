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
from harness.report.units import scale_for, titled
from harness.spec.errors import HarnessError, UsageError
from harness.stats.intervals import Estimate

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
    looks = Looks()
    for strip, places in zip(strips, panels, strict=True):
        for found, place in zip(strip, places, strict=False):
            panel(place, found, looks)
        for place in places[len(strip) :]:
            place.set_axis_off()
    told = [place.get_legend_handles_labels() for place in panels.flat]
    by_label: dict[str, Any] = {}
    for handles, labels in told:
        for handle, label in zip(handles, labels, strict=True):
            by_label.setdefault(label, handle)
    figure.legend(
        by_label.values(), by_label.keys(), loc="outside lower center", ncols=max(2, across), fontsize="small"
    )
    figure.savefig(path, dpi=150)


class Looks:
    """One colour and mark a technique, the same in every panel; the baseline is black."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, row: Row) -> dict[str, Any]:
        label = technique(row)
        if row.role == "baseline":
            return {"color": "black", "marker": "*", "label": label}
        number = self._numbers.setdefault(label, len(self._numbers))
        return {"color": f"C{number % 10}", "marker": MARKS[number % len(MARKS)], "label": label}


def technique(row: Row) -> str:
    """What looks alike: the method with all its settings but the one that asks for a size."""
    knob = asked(row.compression)[0]
    others = {name: value for name, value in row.settings.items() if name.rpartition(".")[2] != knob}
    name = f"{row.label} ({settings_text(others)})" if others else row.label
    return name if row.role == "method" else f"{name} ({row.role})"


def panel(place: Axes, found: Tradeoff, looks: Looks) -> None:
    rows = [row for row in found.table.rows if drawable(found.x, found.y, row)]
    scale = scale_for(found.x.unit, [value for row in rows if (value := found.x.of(row).value) is not None])
    (lines if found.x.name == COMPRESSION else scatter)(place, found, rows, scale.factor, looks)
    place.set_xlabel(titled(found.x.title, scale.unit))
    place.set_ylabel(titled(found.y.title, found.y.unit))
    place.set_title(heading(found.table), fontsize="small")


def scatter(place: Axes, found: Tradeoff, rows: Sequence[Row], factor: float, looks: Looks) -> None:
    """A point a row, with its intervals and the size it was asked for; the frontier as steps."""
    for row in rows:
        x, y = found.x.of(row), found.y.of(row)
        at = known(found.x, row) * factor, known(found.y, row)
        place.errorbar(
            *at, xerr=arms(x, factor), yerr=arms(y), linestyle="none", elinewidth=0.8, capsize=2, **looks.of(row)
        )
        place.annotate(asked(row.compression)[1], at, (4, 4), textcoords="offset points", fontsize="x-small")
    on = [row for row, yes in zip(found.table.rows, found.on, strict=True) if yes]
    corners = sorted((known(found.x, row) * factor, known(found.y, row)) for row in on)
    if corners:
        across, up = zip(*corners, strict=True)
        place.step(
            across, up, where="pre" if found.x.higher_is_better else "post",
            color="grey", linewidth=1, linestyle="--", zorder=0, label="frontier",
        )  # fmt: skip


def lines(place: Axes, found: Tradeoff, rows: Sequence[Row], factor: float, looks: Looks) -> None:
    """A line a technique over the sizes it was run at, with a band as wide as the interval; the baseline's level."""
    techniques: dict[str, list[Row]] = {}
    for row in rows:
        techniques.setdefault(technique(row), []).append(row)
    for alike in techniques.values():
        look, interval = looks.of(alike[0]), found.y.of(alike[0]).interval
        if alike[0].role == "baseline":
            place.axhline(known(found.y, alike[0]), color="black", linewidth=1, linestyle=":", label=look["label"])
            if interval is not None:
                place.axhspan(*interval, color="black", alpha=0.06, linewidth=0)
            continue
        alike.sort(key=lambda row: known(found.x, row))
        across = [known(found.x, row) * factor for row in alike]
        place.plot(across, [known(found.y, row) for row in alike], **look)
        ends = [end for row in alike if (end := found.y.of(row).interval) is not None]
        if len(ends) == len(alike) > 1:
            low, high = zip(*ends, strict=True)
            place.fill_between(across, low, high, color=look["color"], alpha=0.15, linewidth=0)
        elif interval is not None:
            place.vlines(across[0], *interval, color=look["color"], alpha=0.5)


def known(one: Axis, row: Row) -> float:
    value = one.of(row).value
    assert value is not None
    return value


def arms(found: Estimate, factor: float = 1.0) -> list[list[float]] | None:
    """Lengths of an error bar; an interval of a mean need not be centred on it."""
    if found.interval is None or found.value is None:
        return None
    low, high = found.interval
    return [[max(0.0, found.value - low) * factor], [max(0.0, high - found.value) * factor]]
