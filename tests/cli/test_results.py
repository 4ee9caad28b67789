"""Commands that read results: exports, the frontier, plots, conditions, frames."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.spec.errors import StoreError, UsageError


@pytest.fixture(scope="module")
def lab(shared_lab):
    """Run 1 is the baseline, 2 as right as it, 3 half as right; run 4 is of a study of its own."""
    assert shared_lab.run("+method=shift", "method.shift.by=0,1", "tags=[mine]").code == 0
    assert shared_lab.run("+method=shift", "method.shift.by=2").code == 0
    return shared_lab


def ok(ended):
    assert ended.code == 0, ended.err
    return ended.out


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.csv", b"task,model,"),
        ("a.md", b"## counting on counter"),
        ("a.tex", b"% needs \\usepackage{booktabs}"),
        ("a.html", b"<!DOCTYPE html>"),
        ("a.json", b"{"),
        ("a.parquet", b"PAR1"),
    ],
)
def test_the_files_name_says_the_format(lab, tmp_path, name, begins):
    assert ok(lab.harness("export", "-o", str(tmp_path / name))) == ""
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-o", "a.xls"], "end it in .csv, .md, .tex"),
        (["--format", "parquet"], "name a file"),
        (["-o", "nowhere/a.csv"], "can't write nowhere/a.csv"),
        (["--what", "samples", "99"], "there is no study 99"),
    ],
)
def test_an_export_that_can_not_be_is_refused(lab, args, message):
    ended = lab.harness("export", *args)

    assert ended.code == 2
    assert message in ended.err


def test_runs_samples_and_readings_are_exported_whole(lab):
    runs = pd.read_csv(io.StringIO(ok(lab.harness("export", "--what", "runs", "1"))))
    samples = json.loads(ok(lab.harness("export", "--what", "samples", "1", "2", "3", "--format", "json")))
    readings = pd.read_csv(io.StringIO(ok(lab.harness("export", "--what", "readings", "1"))))

    assert runs["method.shift.by"].tolist()[:2] == [1, 0]
    assert [one["score.right"] for one in samples if one["run"] == 3] == [1, 0, 1, 0]
    assert {"latency_s", "peak_rss_bytes"} <= set(readings["metric"])


def test_the_frontier_is_shown_and_drawn(lab, tmp_path):
    out = ok(lab.harness("pareto", "1", "--plot", str(tmp_path / "a.svg")))

    assert "right against peak process" in out
    assert "yes" in out
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_a_comparison_is_drawn_beside_its_table(lab, tmp_path):
    assert "Quality: right" in ok(lab.harness("compare", "1", "--plot", str(tmp_path / "a.png")))
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_regression_exits_with_3_after_the_table(lab):
    ended = lab.harness("compare", "1", "--fail-on", "quality<-1%", "--fail-on", "quality<-60")

    assert ended.code == 3
    assert "Quality: right" in ended.out
    assert ended.err.startswith("Error: the comparison fails:\n  shift (by 1): right -50 % [")
    assert ended.err.count("\n") == 2
    assert lab.harness("compare", "1", "--fail-on", "quality<-60").code == 0


@pytest.mark.parametrize("condition", ["quality", "qualty<-1%", "quality<<1"])
def test_a_condition_that_can_not_be_is_refused_before_anything_is_shown(lab, condition):
    ended = lab.harness("compare", "1", "--fail-on", condition)

    assert ended.code == 2
    assert ended.out == ""


# Frames.


def test_importing_harness_imports_nothing_else():
    code = "import sys, harness; print(sorted(name for name in sys.modules if name.startswith(('harness.', 'pandas'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
    assert "load_runs" in dir(harness)
    with pytest.raises(AttributeError, match="no attribute 'load_all'"):
        harness.load_all  # noqa: B018


def test_runs_come_with_their_settings_by_the_names_of_the_command_line(lab):
    runs = harness.load_runs(lab.store)

    assert runs["run"].tolist() == [4, 3, 2, 1]
    assert runs.loc[runs["method.shift.by"] == 1, "tags"].tolist() == ["mine"]
    assert runs["task.scoring"].tolist() == ["once"] * 4
    assert harness.load_runs(lab.store, method="identity")["run"].tolist() == [1]
    assert harness.load_runs(lab.store, study=2)["run"].tolist() == [4, 1]
    assert harness.load_runs(lab.store, method="nobody").empty


def test_samples_come_with_scores_evidence_and_what_was_asked(lab):
    samples = harness.load_samples(lab.store, runs=[3], prompts=True)

    assert samples["score.right"].tolist() == [1, 0, 1, 0]
    assert set(samples["evidence.kept"]) == {7}
    assert samples["prompt"].tolist() == ["double 0", "double 1", "double 2", "double 3"]
    assert samples["method"].tolist() == ["shift"] * 4
    assert harness.load_samples(lab.store)["run"].unique().tolist() == [1, 4]  # of the study last worked on


def test_readings_say_where_they_come_from(lab):
    readings = harness.load_readings(lab.store, study=1)
    latency = readings[(readings["metric"] == "latency_s") & (readings["run"] == 2)]

    assert latency["unit"].unique().tolist() == ["s"]
    assert latency["session"].notna().all()
    assert len(latency) == 2


def test_a_comparison_is_the_frame_that_export_writes(lab):
    frame = harness.load_comparison(lab.store, study=1)

    assert frame["right_percent_delta"].tolist()[1:] == [0.0, -50.0]
    assert frame.to_csv(index=False) == ok(lab.harness("export", "1"))
    assert harness.load_comparison(lab.store, runs=[3, 2])["right_percent_delta"].tolist()[1:] == [50.0]


def test_what_is_not_there_is_said(lab, tmp_path):
    with pytest.raises(StoreError, match="there are no results"):
        harness.load_runs(tmp_path / "none.sqlite")
    with pytest.raises(UsageError, match="there is no run 99"):
        harness.load_samples(lab.store, runs=[99])
    with pytest.raises(UsageError, match="no run is named"):
        harness.load_comparison(lab.store, runs=[])


TOYS = {
    "xkv.compression_ratio": "shift.by",
    "xkv": "shift",
    "ruler": "counting",
    "task.context": "task.samples",
    "model.dtype": "model.pause",
    "string_match": "right",
    "ttft_s": "latency_s",
    "cache_bytes": "peak_rss_bytes",
}


def test_the_python_of_the_page_runs(lab):
    page = (Path(__file__).parents[2] / "docs" / "reading-results.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names, shown = {}, []
    for block in blocks:
        for word, toy in TOYS.items():
            block = block.replace(word, toy)
        *statements, last = block.strip().splitlines()
        exec("\n".join(statements), names)
        shown.append(eval(last, names))

    assert [len(frame) for frame in shown] == [4, 2, 2, 3, 5]  # the baseline was timed in both studies' sessions
