"""Which rows no other row beats."""

import pytest

from harness.report.compare import compare_study
from harness.report.layout import Grid
from harness.report.pareto import page, tradeoffs
from harness.spec.errors import UsageError


@pytest.fixture
def report(make):
    return compare_study(make.usual(make.STANDARD, processes=3))


def places(report, x, y="quality"):
    (found,) = tradeoffs(report, x, y)
    (grid,) = page(found).quality
    assert isinstance(grid, Grid)
    columns = {column.header: [cell.text for cell in column.cells] for column in grid.columns}
    return columns["frontier"], columns


def test_more_quality_for_fewer_bytes(report):
    frontier, columns = places(report, "memory")

    # identity 95.8 % at 1,000 parts, xkv 91.7 % at 252 and 95.8 % at 499, knorm 33.3 % and random 0 % at 500
    assert frontier == [
        "beaten by xkv (compression_ratio 0.5)",
        "yes",
        "yes",
        *["beaten by xkv (compression_ratio 0.75)"] * 2,
    ]
    assert columns["cache at end"][1] == "7.88"


def test_compression_is_better_the_more_is_removed(report):
    assert places(report, "compression")[0] == places(report, "memory")[0]


def test_an_unknown_number_is_never_on_the_frontier(report):
    frontier, columns = places(report, "energy")

    assert set(frontier) == {"unknown"}
    assert set(columns["energy"]) == {"–¹"}


def test_any_two_numbers_can_be_set_against_each_other(report):
    assert places(report, "first token", "flops")[0][0] == "yes"


def test_a_name_there_is_not_is_answered_with_those_there_are(report):
    with pytest.raises(
        UsageError, match=r"no number is called 'memry' here; did you mean memory\? \(there are: quality"
    ):
        tradeoffs(report, "memry", "quality")
