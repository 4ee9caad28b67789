"""Plots of a comparison, as figures for plotly: plain data whose colours the page fills in, by theme.

A colour is `@` and a name of the stylesheet's, `@c1` to `@c8` one a technique, the same in every plot and table;
the baseline is `@ink`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from harness.report.axes import COMPRESSION, Axis, axis
from harness.report.layout import cost_metrics
from harness.report.model import Row, Table
from harness.report.pareto import Tradeoff, tradeoff
from harness.report.settings import settings_text, word
from harness.report.spread import SHARES, Spread
from harness.report.units import places_for, scale_for, spread, titled
from harness.report.words import cost_name

Plain = Any
COLOURS = 8
MARKS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star-triangle-up")
WHOLE = "latency_s"  # shown first
DASHES = ("solid", "dash", "dot", "dashdot")


class Look(NamedTuple):
    colour: str
    mark: str
    dash: str


class Plot(NamedTuple):
    """One figure, or several to choose from."""

    key: str
    title: str
    says: str  # for those who can't see it
    choices: dict[str, dict[str, Plain]]  # by what is chosen; one, named "", where there is no choice
    wide: bool = False  # needs the whole width


def techniques(table: Table) -> dict[int, str]:
    """By row what looks alike: the method with its settings, but for numbers that were varied."""
    numbers = set(varied(table))
    found = {}
    for place, row in enumerate(table.rows):
        others = {name: value for name, value in row.settings.items() if name.rpartition(".")[2] not in numbers}
        name = f"{row.label} ({settings_text(others)})" if others else row.label
        found[place] = name if row.role == "method" else f"{name} ({row.role})"
    return found


def by_row(table: Table) -> dict[int, str]:
    return {id(table.rows[place]): name for place, name in techniques(table).items()}


def looks(table: Table) -> dict[str, Look]:
    """By technique, in the order of the table."""
    found: dict[str, Look] = {}
    for name, row in zip(techniques(table).values(), table.rows, strict=True):
        if row.role == "baseline":
            found[name] = Look("@ink", "star", "solid")
        elif name not in found:
            at = sum(one.colour != "@ink" for one in found.values())
            found[name] = Look(f"@c{at % COLOURS + 1}", MARKS[at % len(MARKS)], DASHES[at // COLOURS % len(DASHES)])
    return found


def plots(table: Table, spreads: Sequence[Spread]) -> list[Plot]:
    found = [pareto(table), against_settings(table), heat(table), latency(table, spreads), parallel(table)]
    return filled([one for one in found if one is not None and one.choices])


def filled(found: list[Plot]) -> list[Plot]:
    """Two beside each other; one without a neighbour takes the width."""
    row: list[int] = []  # places of those that wait for a neighbour
    wide = {place for place, one in enumerate(found) if one.wide}
    for place in range(len(found) + 1):
        if place < len(found) and place not in wide:
            row = [] if row else [place]
        elif row:
            wide.add(row.pop())
    return [one._replace(wide=place in wide) for place, one in enumerate(found)]


# Quality against a cost.


def pareto(table: Table) -> Plot | None:
    """A point a row with its intervals, and the frontier."""
    ups = [one for metric in table.metrics if (one := axis(table, metric.name))]
    across = [one for name in cost_metrics(table.rows) if (one := axis(table, name))]
    across += removed(table)
    choices = {}
    for up in ups:
        for x in across:
            found = tradeoff(table, x, up)
            if sum(drawable(row, x, up) for row in table.rows) > 1:
                choices[f"{up.title} against {x.title}"] = figure_pareto(found)
    says = "Quality against what it costs, with 95 % intervals; the dashed line joins those that no other beats."
    return Plot("pareto", "Quality against cost", says, choices)


def removed(table: Table) -> list[Axis]:
    """The share of bytes removed, where anything was."""
    found = axis(table, COMPRESSION)
    return [found] if found and any(row.compression.share for row in table.rows) else []


def drawable(row: Row, *axes: Axis) -> bool:
    return all(one.of(row).value is not None for one in axes)


def figure_pareto(found: Tradeoff) -> dict[str, Plain]:
    rows = [row for row in found.table.rows if drawable(row, found.x, found.y)]
    called = by_row(found.table)
    scale = scale_for(found.x.unit, [found.x.of(row).value or 0.0 for row in rows])
    data: list[Plain] = [frontier(found, scale.factor)]
    for name, look in looks(found.table).items():
        mine = [row for row in rows if called[id(row)] == name]
        if mine:
            data.append(points(found, mine, name, look, scale.factor, scale.unit))
    return figure(data, titled(found.x.title, scale.unit), titled(found.y.title, found.y.unit))


def points(found: Tradeoff, rows: Sequence[Row], name: str, look: Look, factor: float, unit: str) -> Plain:
    xs, ys = [found.x.of(row) for row in rows], [found.y.of(row) for row in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [one.value * factor for one in xs if one.value is not None],
        "y": [one.value for one in ys],
        "error_x": whiskers(xs, factor, look),
        "error_y": whiskers(ys, 1.0, look),
        "marker": {"color": look.colour, "symbol": look.mark, "size": 10},
        "text": [row.name for row in rows],
        "hovertemplate": f"%{{text}}<br>{found.y.title} %{{y:.4g}} {found.y.unit}<br>"
        f"{found.x.title} %{{x:.4g}} {unit}<extra></extra>",
    }


def whiskers(found: Sequence[Any], factor: float, look: Look) -> Plain:
    up = [(one.interval.high - one.value) * factor if one.interval else 0.0 for one in found]
    down = [(one.value - one.interval.low) * factor if one.interval else 0.0 for one in found]
    return {
        "type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": look.colour,
        "thickness": 1, "width": 3, "visible": any(up) or any(down),
    }  # fmt: skip


def frontier(found: Tradeoff, factor: float) -> Plain:
    on = [row for row, yes in zip(found.table.rows, found.on, strict=True) if yes]
    corners = sorted(((found.x.of(row).value or 0.0) * factor, found.y.of(row).value or 0.0) for row in on)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "frontier",
        "x": [x for x, _ in corners],
        "y": [y for _, y in corners],
        "line": {"color": "@dim", "width": 1.5, "dash": "dash", "shape": "vh" if found.x.higher_is_better else "hv"},
        "hoverinfo": "skip",
    }


# Quality along a setting.


def against_settings(table: Table) -> Plot | None:
    """A line a technique with its interval as a band: along the share removed, or along a number that was varied."""
    choices = {}
    for metric in table.metrics:
        up = axis(table, metric.name)
        assert up is not None
        for size in removed(table):
            drawn = [row.label for row in table.rows if row.role != "baseline" and drawable(row, size, up)]
            if len(drawn) == len(set(drawn)):
                continue  # no line, only points
            across = {id(row): size.of(row).value for row in table.rows}
            choices[f"{up.title} against share removed"] = figure_lines(table, up, across, titled("removed", "%"))
        for name in varied(table):
            across = {id(row): numeric(row, name) for row in table.rows}
            choices[f"{up.title} against {name}"] = figure_lines(table, up, across, name, name)
    says = (
        "Quality along what was varied: a line a technique, its 95 % interval as a band, the baseline's level dotted."
    )
    return Plot("lines", "Quality against what was varied", says, choices)


def varied(table: Table) -> list[str]:
    """Settings that are numbers, and more than one of them within a technique."""
    seen: dict[str, dict[str, set[float]]] = {}
    for row in table.rows:
        for name, value in knobs(row).items():
            if is_number(value):
                seen.setdefault(name, {}).setdefault(row.label, set()).add(float(value))
    return [name for name, by_label in seen.items() if any(len(values) > 1 for values in by_label.values())]


def knobs(row: Row) -> dict[str, Plain]:
    return {name: value for method in row.runs[0].spec.stack for name, value in method.knobs.items()}


def is_number(value: Plain) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numeric(row: Row, name: str) -> float | None:
    value = knobs(row).get(name)
    return float(value) if value is not None and is_number(value) else None


def figure_lines(
    table: Table, up: Axis, across: dict[int, float | None], title: str, knob: str = ""
) -> dict[str, Plain]:
    data: list[Plain] = []
    shown = looks(table)
    span = [value for row in table.rows if (value := across[id(row)]) is not None and row.role != "baseline"]
    called = by_row(table)
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in table.rows:
        if up.of(row).value is not None and (across[id(row)] is not None or row.role == "baseline"):
            others = {name: value for name, value in row.settings.items() if name.rpartition(".")[2] != knob}
            same = word(sorted(others.items())) if knob and row.role != "baseline" else ""
            alike.setdefault((called[id(row)], same), []).append(row)
    for (name, _), rows in alike.items():
        look = shown[name]
        if rows[0].role == "baseline":
            if span:
                data.append(level(up, rows[0], name, (min(span), max(span))))
            continue
        rows.sort(key=lambda row: across[id(row)] or 0.0)
        xs = [across[id(row)] for row in rows]
        data += [*band(up, rows, xs, look), line(up, rows, xs, name, look)]
    return figure(data, title, titled(up.title, up.unit))


def line(up: Axis, rows: Sequence[Row], xs: Sequence[float | None], name: str, look: Look) -> Plain:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": xs,
        "y": [up.of(row).value for row in rows],
        "line": {"color": look.colour, "width": 2, "dash": look.dash},
        "marker": {"color": look.colour, "symbol": look.mark, "size": 9},
        "text": [row.name for row in rows],
        "hovertemplate": f"%{{text}}<br>%{{y:.4g}} {up.unit}<extra></extra>",
    }


def band(up: Axis, rows: Sequence[Row], xs: Sequence[float | None], look: Look) -> list[Plain]:
    ends = [up.of(row).interval for row in rows]
    if any(one is None for one in ends) or len(rows) < 2:
        return []
    ups, downs = [one.high for one in ends if one], [one.low for one in ends if one]
    return [
        {
            "type": "scatter", "mode": "lines", "x": [*xs, *reversed(xs)], "y": [*ups, *reversed(downs)],
            "fill": "toself", "fillcolor": f"{look.colour}/0.15", "line": {"width": 0}, "hoverinfo": "skip",
            "showlegend": False,
        }
    ]  # fmt: skip


def level(up: Axis, row: Row, name: str, span: tuple[float, float]) -> Plain:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": list(span), "y": [up.of(row).value] * 2,
        "line": {"color": "@ink", "width": 1.5, "dash": "dot"},
        "hovertemplate": f"{name} %{{y:.4g}} {up.unit}<extra></extra>",
    }  # fmt: skip


# By subtask.


def heat(table: Table) -> Plot | None:
    """Rows by subtasks, the mean of each in words too."""
    choices = {}
    for index, metric in enumerate(table.metrics):
        rows = [row for row in table.rows if row.counts and row.quality[index].strata]
        strata = sorted({name for row in rows for name in row.quality[index].strata})
        if len(strata) < 2 or not rows:
            continue
        values = [[scaled(row.quality[index].strata.get(name), metric.scale) for name in strata] for row in rows]
        places = places_for(metric.unit)
        texts = [["" if value is None else spread(value, None, places) for value in line] for line in values]
        bounds = {"zmin": 0, "zmax": 100} if metric.unit == "%" else {}
        data = {
            "type": "heatmap", "x": strata, "y": [row.name for row in rows], "z": values, "text": texts,
            "texttemplate": "%{text}" if len(strata) <= 20 else "", "xgap": 2, "ygap": 2, **bounds,
            "colorscale": "@scale" if metric.higher_is_better else "@scale_r",
            "colorbar": {"title": {"text": metric.unit}, "thickness": 12, "outlinewidth": 0},
            "hovertemplate": f"%{{y}}<br>%{{x}}<br>%{{z:.4g}} {metric.unit}<extra></extra>",
        }  # fmt: skip
        made = figure([data], "", "")
        made["layout"]["yaxis"] |= {"autorange": "reversed", "showgrid": False, "automargin": True}
        made["layout"]["xaxis"] |= {"showgrid": False, "automargin": True}
        made["layout"]["height"] = 160 + 34 * len(rows)
        choices[metric.name] = made
    return Plot("heat", "Score by subtask", "The mean of each subtask for every technique.", choices, wide=True)


def scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


# Timed readings.


def latency(table: Table, spreads: Sequence[Spread]) -> Plot | None:
    """A box a row: half of its readings lie in the box, 90 of 100 between the whiskers."""
    choices = {}
    shown, called = looks(table), techniques(table)
    for metric in sorted({one.metric for one in spreads}, key=lambda name: (name != WHOLE, name)):
        mine = [one for one in spreads if one.metric == metric]
        scale = scale_for(mine[0].unit, [one.quantiles[-1] for one in mine])
        data = []
        for one in mine:
            row = table.rows[one.row]
            at = {share: value * scale.factor for share, value in zip(SHARES, one.quantiles, strict=True)}
            look = shown[called[one.row]]
            data.append(
                {
                    "type": "box", "orientation": "h", "name": row.name, "y": [row.name],
                    "q1": [at[0.25]], "median": [at[0.5]],
                    "q3": [at[0.75]], "lowerfence": [at[SHARES[2]]], "upperfence": [at[SHARES[38]]],
                    "marker": {"color": look.colour}, "line": {"width": 1.5}, "fillcolor": f"{look.colour}/0.25",
                    "showlegend": False,
                }
            )  # fmt: skip
        made = figure(data, titled(cost_name(metric), scale.unit), "")
        made["layout"]["yaxis"] |= {"autorange": "reversed", "showgrid": False, "automargin": True}
        made["layout"]["height"] = 160 + 36 * len(data)
        choices[cost_name(metric)] = made
    says = "The box holds the middle half of single readings, whiskers reach from the 5th to the 95th percentile."
    return Plot("latency", "Latency distributions", says, choices)


# Settings.


def parallel(table: Table) -> Plot | None:
    """A line a row over everything that varies, and what came of it."""
    rows = [row for row in table.rows if row.counts and row.role != "baseline"]
    names = [name for name in dict.fromkeys(name for row in rows for name in knobs(row)) if len(kinds(rows, name)) > 1]
    ends = [one for metric in table.metrics[:2] if (one := axis(table, metric.name))]
    ends += [one for name in cost_metrics(table.rows)[:3] if (one := axis(table, name))]
    ends = [one for one in ends if any(drawable(row, one) for row in rows)]
    if len(rows) < 3 or not names or not ends:
        return None
    dimensions = [dimension(name, [knobs(row).get(name) for row in rows]) for name in ["method", *names]]
    dimensions[0] = dimension("method", [row.label for row in rows])
    for one in ends:
        values = [one.of(row).value for row in rows]
        scale = scale_for(one.unit, [value for value in values if value is not None])
        shown = [None if value is None else value * scale.factor for value in values]
        dimensions.append(dimension(titled(one.title, scale.unit), shown))
    return Plot(
        "parallel",
        "Settings and what came of them",
        "Each line is one run's settings and results.",
        {"": lines_over(table, rows, dimensions)},
        wide=True,
    )


def kinds(rows: Iterable[Row], name: str) -> set[str]:
    return {word(knobs(row)[name]) for row in rows if name in knobs(row)}


class Dimension(NamedTuple):
    title: str
    places: list[float | None]  # 0 to 1, by row
    ticks: list[tuple[float, str]]


def dimension(title: str, values: Sequence[Plain]) -> Dimension:
    known = [value for value in values if value is not None]
    if known and all(is_number(value) for value in known):
        low, high = min(known), max(known)
        span = (high - low) or 1.0
        marks = sorted(set(known)) if len(set(known)) <= 5 else [low, (low + high) / 2, high]
        return Dimension(
            title,
            [None if value is None else (value - low) / span for value in values],
            [((one - low) / span, f"{one:.4g}") for one in marks],
        )
    names = sorted({word(value) for value in known})
    at = {name: place / max(1, len(names) - 1) for place, name in enumerate(names)}
    return Dimension(
        title, [None if value is None else at[word(value)] for value in values], [(at[name], name) for name in names]
    )


def lines_over(table: Table, rows: Sequence[Row], dimensions: Sequence[Dimension]) -> dict[str, Plain]:
    shown, called, told = looks(table), by_row(table), set()
    data: list[Plain] = []
    for place, row in enumerate(rows):
        name = called[id(row)]
        across = [(at, one.places[place]) for at, one in enumerate(dimensions) if one.places[place] is not None]
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": name,
                "legendgroup": name, "showlegend": name not in told,
                "x": [x for x, _ in across], "y": [y for _, y in across], "text": [row.name] * len(across),
                "line": {"color": shown[name].colour, "width": 1.5, "dash": shown[name].dash},
                "marker": {"color": shown[name].colour, "symbol": shown[name].mark, "size": 6},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )  # fmt: skip
        told.add(name)
    made = figure(data, "", "")
    layout = made["layout"]
    layout["xaxis"] |= {
        "tickvals": list(range(len(dimensions))), "ticktext": [one.title for one in dimensions], "side": "top",
        "range": [-0.45, len(dimensions) - 0.55], "gridcolor": "@line", "tickangle": 0,
    }  # fmt: skip
    layout["yaxis"] |= {"visible": False, "range": [-0.06, 1.06]}
    layout["annotations"] = [
        {
            "x": at, "y": y, "text": text, "showarrow": False,
            **({"xanchor": "left", "xshift": 7} if at else {"xanchor": "right", "xshift": -9}),
            "bgcolor": "@paper/0.8", "font": {"size": 11, "color": "@dim"},
        }
        for at, one in enumerate(dimensions)
        for y, text in one.ticks
    ]  # fmt: skip
    return made


def figure(data: list[Plain], x: str, y: str) -> dict[str, Plain]:
    return {
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": x}, "automargin": True},
            "yaxis": {"title": {"text": y}, "automargin": True},
            "height": 420,
        },
    }
