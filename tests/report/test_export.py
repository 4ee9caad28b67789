"""Files of a comparison."""

import io
import json
import math
import re
import sys

import pandas as pd
import pytest

from harness.report.compare import compare_study
from harness.report.export import BINARY, FORMATS, export, export_frame
from harness.report.latex import escaped
from harness.spec.errors import HarnessError, UsageError


@pytest.fixture
def report(make):
    return compare_study(make.usual(make.STANDARD, processes=3))


def test_csv_has_a_row_a_technique_in_si_units_and_full_precision(report):
    frame = pd.read_csv(io.StringIO(export(report, "csv")))
    knorm = frame[frame["method"] == "knorm"].iloc[0]

    assert len(frame) == 5
    assert knorm["string_match_percent"] == pytest.approx(100 * 8 / 24, abs=1e-12)
    assert [knorm[f"string_match_percent_of_{one}"] for one in ("single_1", "multikey_1")] == [37.5, 25.0]
    assert knorm["string_match_percent_delta"] == -62.5
    assert knorm["string_match_percent_outcome"] == "worse"
    assert knorm["ttft_s"] == pytest.approx(1.01 * 1.01 * 1.07)
    assert knorm["ttft_s_outcome"] == "equivalent"
    assert knorm["cache_bytes"] == 500 * 2**15
    assert knorm["macs"] == knorm["flops"] / 2
    assert knorm["nominal_compression_ratio"] == 0.5


def test_unknown_is_empty_in_csv_with_its_reason_beside(report):
    first = pd.read_csv(io.StringIO(export(report, "csv"))).iloc[0]

    assert math.isnan(first["energy_j"])
    assert first["energy_j_reason"] == "no counter here"
    assert math.isnan(first["string_match_percent_delta"])


def test_json_says_the_same_with_conditions_and_sources(report):
    whole = json.loads(export(report, "json"))
    (table,) = whole["tables"]
    knorm = table["rows"][3]

    assert whole["resampling_seed"] == 20_261_101
    assert table["conditions"]["context"] == "1,024 tokens"
    assert table["sources"][0]["sha256"].startswith("ab12cd34")
    assert table["measures"][0]["name"] == "standard"
    assert knorm["string_match_percent_p"] < 0.001
    assert table["rows"][0]["energy_j"] is None


def test_markdown_shows_what_the_terminal_shows(report):
    text = export(report, "md")

    assert "| knorm | 50.0% → 50.0% | 33.3 ± 17.7 | -62.5 | [-78.8, -40.1] | \\<0.001 | 24 | worse |" in text
    assert "**95.8 ± 9.8**" in text
    assert "### Cost" in text


def test_markdown_keeps_its_columns_whatever_a_name_holds(make):
    view = make.study([make.run(1), make.run(2, "xkv", status="failed", reason="a | b\nc")])

    for line in export(compare_study(view), "md").splitlines():
        assert not line.startswith("|") or line.replace("\\|", "").count("|") >= 3
    assert "a \\| b c" in export(compare_study(view), "md")


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_takes_a_study_with_nothing_in_it(make, format):
    assert isinstance(export(compare_study(make.study([])), format), bytes if format in BINARY else str)


def test_a_format_there_is_not_is_refused_with_those_there_are(report):
    with pytest.raises(UsageError, match="no format 'xls'; there are csv, json, parquet, md, html, latex"):
        export(report, "xls")


def test_parquet_holds_what_csv_holds(report):
    stored = pd.read_parquet(io.BytesIO(export(report, "parquet")))
    read = pd.read_csv(io.StringIO(export(report, "csv")))

    assert list(stored.columns) == list(read.columns)
    assert stored["ttft_s"].tolist() == read["ttft_s"].tolist()
    assert stored["energy_j"].isna().all()


def test_parquet_without_pyarrow_says_what_to_install(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(HarnessError, match=r"pip install 'harness-ml\[parquet\]'"):
        export(report, "parquet")


def test_html_stands_alone_and_a_name_can_not_break_out_of_it(make):
    evil = "</td><script>alert('x')</script>"
    view = make.study([make.run(1), make.run(2, "xkv", status="failed", reason=evil)])
    text = export(compare_study(view), "html")

    assert text.startswith("<!DOCTYPE html>")
    assert "<script" not in text
    assert "&lt;script&gt;alert" in text
    assert "http" not in text


def test_html_has_the_numbers_of_the_table(report):
    quality, subtasks, costs = pd.read_html(io.StringIO(export(report, "html")))

    assert quality.filter(like="score").iloc[0, 0] == "95.8 ± 9.8"
    assert len(quality) == len(subtasks) == len(costs) == 5


def test_latex_is_a_booktabs_table_with_the_baseline_first_and_the_best_in_bold(report):
    text = export(report, "latex")
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()

    assert body[0].startswith("identity (baseline) & ")
    assert " & 95.8 $\\pm$ 9.8 & " in body[0]
    assert [line.count("\\textbf") for line in body] == [0, 0, 1, 0, 0]
    assert body[3].startswith("knorm & ")
    assert "{}[$-$78.8, $-$40.1]" in body[3]
    assert len({line.count("&") for line in body}) == 1
    assert all(line.endswith(" \\\\") for line in body)


@pytest.mark.parametrize("text", ["50 % of a_b & c#d", "$x$ {y} ~z^2", "back\\slash"])
def test_latex_escapes_as_pandas_does(text):
    styled = pd.DataFrame({"column": [text]}).style.format(escape="latex").hide(axis="index").to_latex()
    (theirs,) = [line.removesuffix(" \\\\") for line in styled.splitlines() if line.endswith("\\\\")][1:]

    # A command that ends in a letter is ended by a space there, by {} here.
    assert escaped(text) == re.sub(r"(\\text\w+) ", r"\1{}", theirs)


def test_a_frame_with_lists_and_mixed_targets_goes_into_every_format():
    rows = pd.DataFrame({"number": [0, 1], "target": ["a|b", ["c", 1]], "score": [0.5, None]})

    for format in FORMATS:
        assert export_frame(rows, "samples", format)
    assert json.loads(export_frame(rows, "samples", "json"))[1] == {"number": 1, "target": '["c", 1]', "score": None}
    assert pd.read_parquet(io.BytesIO(export_frame(rows, "samples", "parquet")))["target"].tolist() == [
        '"a|b"',
        '["c", 1]',
    ]
