"""Files of a comparison."""

import io
import json
import math

import pandas as pd
import pytest

from harness.report.compare import compare_study
from harness.report.export import FORMATS, export
from harness.spec.errors import UsageError


@pytest.fixture
def report(make):
    return compare_study(make.usual(make.STANDARD, processes=3))


def test_csv_has_a_row_a_technique_in_si_units_and_full_precision(report):
    frame = pd.read_csv(io.StringIO(export(report, "csv")))
    knorm = frame[frame["method"] == "knorm"].iloc[0]

    assert len(frame) == 5
    assert knorm["string_match_percent"] == pytest.approx(100 * 8 / 24, abs=1e-12)
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
    assert isinstance(export(compare_study(make.study([])), format), str)


def test_a_format_there_is_not_is_refused_with_those_there_are(report):
    with pytest.raises(UsageError, match="no format 'xls'; there are csv, json, md"):
        export(report, "xls")
