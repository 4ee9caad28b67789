"""Plots are of the comparison's own numbers."""

import pytest

from harness.report.compare import compare_study
from harness.report.data import Data
from harness.report.spread import spreads
from harness_dashboards.app import figures
from harness_dashboards.grids import kind, winners
from harness_dashboards.plots import Plot, filled, looks, plots, techniques


@pytest.fixture
def drawn(make):
    view = make.usual()
    report = compare_study(view)
    return report.tables[0], {one.key: one for one in plots(report.tables[0], spreads(Data(view), report))}


def test_there_is_a_plot_of_each_kind(drawn):
    assert {"pareto", "lines", "heat", "latency"} <= set(drawn[1])


def test_points_are_scores_with_their_intervals(drawn):
    table, found = drawn
    (figure,) = [one for name, one in found["pareto"].choices.items() if name.endswith("against first token")]
    points = {trace["name"]: trace for trace in figure["data"] if trace["name"] != "frontier"}
    for name, row in zip(techniques(table).values(), table.rows, strict=True):
        estimate = row.quality[0].estimate
        place = points[name]["text"].index(row.name)
        assert points[name]["y"][place] == pytest.approx(100 * estimate.value)
        assert points[name]["error_y"]["array"][place] == pytest.approx(100 * (estimate.interval.high - estimate.value))


def test_the_baseline_is_ink_and_no_two_techniques_look_alike(drawn):
    table, _ = drawn
    found = looks(table)

    assert found[techniques(table)[0]].colour == "@ink"
    assert len(set(found.values())) == len(found)


def test_a_box_is_of_the_readings(drawn):
    table, found = drawn
    boxes = next(iter(found["latency"].choices.values()))["data"]

    assert [box["name"] for box in boxes] == [row.name for row in table.rows]
    assert all(
        box["lowerfence"][0] <= box["q1"][0] <= box["median"][0] <= box["q3"][0] <= box["upperfence"][0]
        for box in boxes
    )


def test_a_plot_without_a_neighbour_takes_the_width():
    half, whole = Plot("half", "", "", {}), Plot("whole", "", "", {}, wide=True)

    assert [one.wide for one in filled([half, half, whole, half, whole])] == [False, False, True, True, True]
    assert [one.wide for one in filled([half, half, half])] == [False, False, True]


def test_every_cost_has_its_group_of_columns():
    told = {"latency_s": "s", "qps": "query/s", "cache_bytes": "B", "build_s": "s", "teacher_prepare_flops": "FLOP"}
    once = "Preparing, once"

    assert [kind(name, unit) for name, unit in told.items()] == ["Latency", "Latency", "Memory", once, once]


def test_a_saving_is_told_with_the_quality_it_leaves(drawn):
    cheapest = [one for one in winners(drawn[0]) if not one.is_quality]

    assert cheapest
    assert all("at string_match" in one.said for one in cheapest)


def test_texts_hold_no_tags_for_plotly():
    assert figures({"name": "<b>a</b> & b", "x": ["<i>"], "hovertemplate": "%{x}<br>"}) == {
        "name": "&lt;b>a&lt;/b> &amp; b", "x": ["&lt;i>"], "hovertemplate": "%{x}<br>",
    }  # fmt: skip
