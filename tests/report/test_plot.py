"""Drawings, read back as the text of an SVG."""

import sys
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from harness.report.compare import compare_study
from harness.report.pareto import tradeoffs
from harness.report.plot import check, draw_comparison, draw_frontier, technique
from harness.spec.errors import HarnessError, UsageError


@pytest.fixture
def report(make):
    return compare_study(make.usual(make.STANDARD, processes=3))


def words(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(autouse=True)
def readable_text():
    with mpl.rc_context({"svg.fonttype": "none"}):
        yield


def test_a_comparison_has_a_panel_for_each_known_cost_and_one_for_compression(report, tmp_path):
    path = tmp_path / "drawn.svg"
    draw_comparison(report, path)

    assert [word for word in words(path) if word in ("cache at end (MiB)", "energy (J)", "removed (%)")] == [
        "cache at end (MiB)",
        "removed (%)",
    ]
    assert words(path).count("string_match (%)") == 2


def test_one_line_a_technique_over_its_sizes(report, tmp_path):
    rows = report.tables[0].rows
    path = tmp_path / "drawn.svg"
    draw_comparison(report, path)

    techniques = ["identity (baseline)", "xkv", "xkv", "knorm", "random_eviction (control)"]
    assert [technique(row) for row in rows] == techniques
    assert all(words(path).count(one) == 1 for one in techniques)  # in one legend
    assert words(path).count("75.0%") == words(path).count("50.0%") - 2 == 1  # beside the points


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")])
def test_the_name_says_what_is_drawn(report, tmp_path, name, begins):
    draw_frontier(tradeoffs(report, "first token", "quality"), tmp_path / name)

    assert (tmp_path / name).read_bytes().startswith(begins)


def test_nothing_to_draw_is_said(make, tmp_path):
    with pytest.raises(UsageError, match="nothing to draw"):
        draw_comparison(compare_study(make.study([make.run(1)])), tmp_path / "a.svg")


def test_what_can_not_be_drawn_is_refused_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"must end in .svg, .png, .pdf"):
        check(tmp_path / "a.gif")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(HarnessError, match=r"pip install 'harness-ml\[plot\]'"):
        check(tmp_path / "a.svg")
