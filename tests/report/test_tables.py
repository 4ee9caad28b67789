"""What a person sees."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from harness.report.compare import compare_study
from harness.report.layout import Cell, Column, Grid, lay_out, natural
from harness.report.pareto import tradeoffs
from harness.report.tables import draw_grid, render, show
from harness.report.units import p_value, places_at, scale_for, spread
from harness.report.words import cost_name
from harness.spec.errors import UsageError


@pytest.fixture
def report(make):
    return compare_study(make.usual())


def page(report):
    (table,) = report.tables
    return lay_out(table)


def column(grid, header):
    (found,) = [one for one in grid.columns if one.header == header]
    return [cell.text for cell in found.cells]


def styles(grid, header):
    (found,) = [one for one in grid.columns if one.header == header]
    return [cell.style for cell in found.cells]


def test_quality_has_value_half_width_delta_interval_p_n_and_outcome(report):
    (grid,) = page(report).quality

    assert column(grid, "method")[:2] == ["identity (baseline)", "xkv"]
    assert column(grid, "method")[4] == "random_eviction (control)"
    assert column(grid, "score")[:2] == ["95.8 ± 9.8", "91.7 ± 11.8"]
    assert column(grid, "Δ") == ["", "-4.2", "+0.0", "-62.5", "-95.8"]
    assert column(grid, "95 % interval")[3] == "[-78.8, -40.1]"
    assert column(grid, "p") == ["", "1.000", "1.000", "<0.001", "<0.001"]
    assert column(grid, "n") == ["", "24", "24", "24", "24"]
    assert column(grid, "outcome") == ["", "undecided", "undecided", "worse", "worse"]


def test_compression_is_shown_as_asked_and_achieved(report):
    (grid,) = page(report).quality

    assert column(grid, "removed")[:3] == ["0.0%", "75.0% → 74.8%", "50.0% → 50.1%"]


def with_weights(make, resident):
    """The baseline and a method that left `resident` of the 1,000 bytes of weights; None: it acts on none."""
    rows = [*make.samples(1, resident=1000), *make.samples(2, resident=1000)]
    for row in rows[24:] if resident is not None else ():
        row["observed"] |= {"weight_resident_bytes": resident, "weight_full_bytes": 1000.0}
    answers = [*make.scores(1, [1] * 24), *make.scores(2, [1] * 23 + [0])]
    return compare_study(
        make.study([make.run(1), make.run(2, "knorm", about={"nominal": {"bits": 4.0}})], rows, answers)
    )


def test_bytes_of_weights_have_a_column_of_their_own_and_whole_caches_none(make):
    (grid,) = page(with_weights(make, 250.0)).quality

    assert column(grid, "weights") == ["", "75.0%"]
    assert "removed" not in [one.header for one in grid.columns]


@pytest.mark.parametrize(("resident", "nominal"), [(1000.0, {}), (None, {"mass": 0.9})])
def test_where_nothing_is_removed_or_asked_to_be_no_column_says_so(make, resident, nominal):
    """A sampler leaves the cache whole; what trains says nothing of bytes."""
    rows = [row for number in (1, 2) for row in make.samples(number, resident=resident)]
    answers = [*make.scores(1, [1] * 24), *make.scores(2, [1] * 23 + [0])]
    found = compare_study(make.study([make.run(1), make.run(2, "knorm", about={"nominal": nominal})], rows, answers))
    (grid,) = page(found).quality

    assert [one.header for one in grid.columns][:3] == ["method", "score", "Δ"]
    assert not any("resident" in note for note in page(found).notes)
    (table,) = with_weights(make, 250.0).tables
    assert [row.compression.weights for row in table.rows] == [None, 0.75]


def test_without_methods_that_act_on_weights_there_is_no_such_column(make):
    (grid,) = page(with_weights(make, None)).quality

    assert not {"weights", "removed"} & {one.header for one in grid.columns}


def test_the_best_of_what_competes_is_bold_and_the_baseline_does_not(report):
    shown = page(report)

    assert styles(shown.quality[0], "score") == ["", "", "best", "", ""]
    assert styles(shown.costs[0], "cache at end") == ["", "best", "", "", ""]


def test_costs_are_in_units_for_people(report):
    (grid,) = page(report).costs
    units = {one.header: one.unit for one in grid.columns}

    assert units == {
        "method": "",
        "removed": "asked → got",
        "first token": "ms",
        "per token": "ms",
        "cache at end": "MiB",
        "peak process": "GiB",
        "compute": "GFLOP",
    }
    assert column(grid, "first token")[0] == "1,070 ± 20"
    assert column(grid, "compute")[0] == "155.8"


def test_throughputs_stand_in_the_order_of_their_batches():
    names = ["throughput_32", "throughput_8", "throughput_128"]

    assert [cost_name(one) for one in sorted(names, key=natural)] == [
        "throughput, batch of 8",
        "throughput, batch of 32",
        "throughput, batch of 128",
    ]


def test_a_reading_nobody_has_is_a_note_and_not_a_column(report):
    assert "– energy_j: no counter here" in page(report).notes


def test_a_reading_one_row_lacks_is_a_dash_with_its_reason(make):
    readings = [*make.untimed(1, "cache_bytes", 2.0**20), *make.untimed(2, "cache_bytes", None, reason="can't tell")]
    shown = page(compare_study(make.study([make.run(1), make.run(2, "xkv")], readings=readings)))

    assert column(shown.costs[0], "cache at end") == ["1.000", "–³"]
    assert "³ can't tell" in shown.notes


def test_a_machines_state_has_no_column(report):
    assert "load average" not in [one.header for one in page(report).costs[0].columns]


def test_changes_appear_where_they_may_be_called(make):
    (grid,) = page(compare_study(make.usual(make.STANDARD, processes=3))).costs
    changes = [[cell.text for cell in one.cells] for one in grid.columns if one.header == "change"]

    assert changes[0] == ["", "+35.0% worse", "+31.0% worse", "+1.0% equivalent", "+0.0% equivalent"]


def test_outcomes_are_told_in_words(report):
    assert page(report).sentences[2] == (
        "knorm: worse than identity in string_match: -62.5 points [-78.8, -40.1], p < 0.001, 15 of 24 pairs differ."
    )
    assert page(report).sentences[1].endswith("all 24 pairs are equal, too few to say 'no difference'.")


def test_conditions_and_sources_stand_under_the_title(report):
    shown = page(report)

    assert shown.title == "ruler on smollm2 (cpu), seed 0"
    assert shown.conditions == [
        "context: 1,024 tokens · question: withheld from compression · dtype: bfloat16",
        "data: essays, 49 (a note, sha256 ab12cd34ef56)",
        "costs: quick: 1 process an arm, 3 warm-ups, 5 samples; shown without an outcome",
    ]
    assert "weights come from 4-bit blocks" in shown.notes


def test_an_invalid_run_is_loud_and_without_numbers(make):
    view = make.usual()
    broken = replace(view.runs[3], status="invalid", reason="sample 3 carries no evidence")
    report = compare_study(replace(view, runs=(*view.runs[:3], broken, view.runs[4])))
    shown = page(report)

    assert shown.alarms == ["knorm is INVALID, its numbers are not counted: sample 3 carries no evidence"]
    assert column(shown.quality[0], "score")[3] == "INVALID"
    assert column(shown.quality[0], "Δ")[3] == ""
    assert column(shown.costs[0], "first token")[3] == "INVALID"
    assert "!! knorm is INVALID" in render(report)


def test_an_unfinished_run_shows_how_far_it_is(make):
    view = make.usual()
    running = replace(view.runs[1], status="running", done=10)
    shown = page(compare_study(replace(view, runs=(view.runs[0], running))))

    assert column(shown.quality[0], "score")[1] == "91.7 ± 11.8 (10/24)"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_number_is_cut_at_any_width(report, width):
    text = render(report, width)
    shown = page(report)
    numbers = [
        cell.text for grid in shown.quality + shown.costs for one in grid.columns if not one.words for cell in one.cells
    ]

    assert all(number in text for number in numbers)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", range(60, 161, 4))
def test_a_name_with_room_is_not_folded_to_squeeze_a_column_in(width):
    name = "unified_layer_skipping"
    numbers = [Column(f"cost {number}", (Cell("6,391 ± 786"),), unit="ms") for number in range(8)]
    grid = Grid("Cost", (Column("method", (Cell(name),), words=True, tells_rows=True), *numbers))
    out = io.StringIO()
    draw_grid(grid, Console(file=out, width=width))

    assert out.getvalue().count(name) == out.getvalue().count("method")


def test_what_tells_rows_apart_comes_again_where_a_table_is_split(report):
    blocks = render(report, 80).split("Quality: ")[1:]

    assert len(blocks) == 2
    assert all("75.0% → 74.8%" in block for block in blocks)


def test_one_quality_table_fits_120_columns(report):
    assert render(report, 120).count("Quality: ") == 1


def test_piped_output_is_plain_and_120_wide(report, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    show(report)
    out = capsys.readouterr().out

    assert not re.search(r"\x1b", out)
    assert 100 < max(map(len, out.splitlines())) <= 120
    assert out == render(report, 120)


def test_markup_in_names_is_text(make):
    view = make.usual()
    odd = replace(view.runs[1], label="[red]x[/red]", reason="[bold]", status="failed")

    assert "[red]x[/red] is FAILED" not in render(compare_study(replace(view, runs=(view.runs[0], odd))), 20)
    assert "[red]x[/red]" in render(compare_study(replace(view, runs=(view.runs[0], odd))))


def test_a_study_of_costs_alone_has_no_quality(make):
    about = {"metrics": []}
    readings = [*make.timed(1, "ttft_s", [1.0, 1.1, 1.2]), *make.timed(2, "ttft_s", [1.0, 1.1, 1.2])]
    report = compare_study(make.study([make.run(1, about=about), make.run(2, "xkv", about=about)], readings=readings))

    assert page(report).quality == []
    assert "Cost" in render(report)


def test_units_follow_the_largest_number():
    assert scale_for("s", [0.07, 1.2]).unit == "ms"
    assert scale_for("s", [0.07, 12.0]).unit == "s"
    assert scale_for("s", [1.2e-5, 7e-6]) == ("µs", 1e6)
    assert scale_for("B", [2.0**29]).unit == "MiB"
    assert scale_for("B", [2.0**31]).unit == "GiB"
    assert scale_for("FLOP", [1.4e11]) == ("GFLOP", 1e-9)
    assert scale_for("1", []).unit == ""


def test_numbers_have_as_many_digits_as_they_deserve():
    assert spread(1052.3, 31.2) == "1,052 ± 31"
    assert spread(74.2, 1.34) == "74.2 ± 1.3"
    assert spread(0.91234, 0.0342) == "0.912 ± 0.034"
    assert spread(5.0, 0.0) == "5 ± 0"
    assert spread(31.25, None) == "31.25"
    assert places_at(155.8) == 1
    assert p_value(0.0004) == "<0.001"
    assert p_value(0.0636) == "0.064"


def test_a_score_is_shown_by_the_subtasks_it_is_a_mean_of(report):
    (grid,) = page(report).subtasks

    assert [one.header for one in grid.columns if not one.tells_rows] == ["multikey_1", "single_1", "single_2"]
    means = [float(column(grid, name)[0]) for name in ("multikey_1", "single_1", "single_2")]
    assert sum(means) / 3 == pytest.approx(95.8, abs=0.05)
    assert "string_match by subtask" in render(report)


def test_builds_of_one_setting_are_shown_apart(make):
    runs = [make.run(number, seed=number) for number in (1, 2)]
    runs += [
        make.run(number, "xkv", baseline=number - 2, seed=number - 2, about={"prepares": True}) for number in (3, 4)
    ]
    scores = [
        row
        for number, hits in ((1, 24), (2, 24), (3, 18), (4, 12))
        for row in make.scores(number, [1] * hits + [0] * (24 - hits))
    ]
    readings = [*make.untimed(3, "build_s", 2.0, "s"), *make.untimed(4, "build_s", 4.0, "s")]
    samples = [row for number in (1, 2, 3, 4) for row in make.samples(number)]
    (grid,) = page(compare_study(make.study(runs, samples, scores, readings))).builds

    assert [one.header for one in grid.columns if not one.tells_rows] == ["seeds", "string_match", "sd", "build, sd"]
    assert [column(grid, name)[0] for name in ("seeds", "string_match", "build, sd")] == ["2", "50.0 to 75.0", "47.1%"]


def test_what_a_terminal_would_obey_is_shown_as_text(report):
    (table,) = report.tables
    hostile = replace(table, conditions={"context": "\x1b[31mred\x07"})

    shown = render(replace(report, tables=(hostile,)))

    assert "\x1b" not in shown
    assert "\\x1b[31mred\\x07" in shown


def test_of_what_only_describes_nothing_is_best_and_nothing_spans_a_frontier(make):
    metric = {"name": "surprise", "unit": "bits", "higher_is_better": None, "aggregation": "mean", "scale": 1.0}
    about = {"about": {"metrics": [metric]}}
    runs = [make.run(1, **about), make.run(2, "xkv", **about), make.run(3, "knorm", **about)]
    found = {1: [0.5 + 0.01 * i for i in range(24)], 2: [3 + 0.02 * i for i in range(24)], 3: [0.1] * 24}
    scores = [one for number in found for one in make.scores(number, found[number], "surprise")]
    report = compare_study(make.study(runs, [one for number in found for one in make.samples(number)], scores))
    (grid,) = page(report).quality

    assert grid.title == "Quality: surprise, neither more nor less is better"
    assert column(grid, "outcome") == ["", "higher", "lower"]
    assert set(styles(grid, "score")) == {""}
    assert "xkv: higher than identity in surprise" in page(report).sentences[0]
    with pytest.raises(UsageError, match="neither more nor less surprise is better"):
        tradeoffs(report, "compression", "quality")
