"""From a real store to a comparison."""

from dataclasses import asdict

import pytest

from harness.report.compare import compare_study
from harness.report.gather import environment_words, gather_runs, gather_study
from harness.report.tables import render
from harness.spec.errors import UsageError
from harness.spec.records import Reading, Score, Source
from harness.store.records import MemberRecord, PassRecord, RunRecord, SampleRecord
from harness.store.writer import open_store


@pytest.fixture
def store(tmp_path, make):
    """A baseline and xkv, answered, timed in one session, and a study of both."""
    with open_store(f"sqlite:///{tmp_path / 'harness.sqlite'}", create=True) as opened:
        fill(opened, make)
        yield opened


def fill(store, make):
    home = store.environment("here", {"cpu": "Small", "cores": 2, "torch": "2.14.1"})
    views = [make.run(1), make.run(2, "xkv")]
    ids = store.ensure_runs([record(one, home) for one in views])
    for number, run in enumerate(ids):
        for sample in range(24):
            observed = {"resident_bytes": 250.0 if number else 1000.0, "full_bytes": 1000.0}
            row = SampleRecord(sample, f"subtask {sample % 3}", f"hash {sample}", {}, "", observed=observed)
            store.add_sample(run, row, [Score("string_match", 0.0 if number and sample < 9 else 1.0)])
        store.release(run, "done")
        store.add_readings(run, "memory", 1, [Reading("cache_bytes", 2.0**20, "B", "subject")])
    session = store.open_session(asdict(make.STANDARD), home, ids, "me")
    for process in range(3):
        for position in range(2):
            times = [Reading("ttft_s", (1 + position) * (1 + 0.01 * i), "s", "clock", sample=i) for i in range(5)]
            gaps = Reading("tpot_s", 0.1, "s", "clock", sample=0, detail={"itl_s": [0.1, 0.2]})
            store.add_process(session, position, process, [PassRecord("latency", 1, [*times, gaps])])
    store.close_session(session)
    members = [MemberRecord(ids[0], "baseline", None, session), MemberRecord(ids[1], "method", ids[0], session)]
    store.close_study(store.open_study("harness run +method=xkv", "standard", members), "done")


def record(one, home):
    return RunRecord(
        key=one.label,
        environment_id=home,
        label=one.label,
        task=one.spec.task.name,
        model=one.model,
        device="cpu",
        seed=0,
        spec=one.spec.plain(),
        identity={},
        about=dict(one.about),
        planned=24,
        sources=(Source("essays", 49, None),),
    )


def test_a_stored_study_is_compared(store, make):
    report = compare_study(gather_study(store, 1))
    (table,) = report.tables
    row = table.rows[1]

    assert report.title == "harness run +method=xkv"
    assert row.quality[0].comparison.outcome == "worse"
    assert row.quality[0].comparison.n == 24
    assert row.compression.ratio == 0.75
    assert row.costs["ttft_s"].comparison.outcome == "worse"
    assert row.costs["itl_s"].estimate.value == pytest.approx(0.15)
    assert row.costs["cache_bytes"].change == 0.0
    assert table.measures == (make.STANDARD,)
    assert "62.5 ± 18.1" in render(report)


def test_two_runs_are_compared_as_a_study_is(store):
    (table,) = compare_study(gather_runs(store, [1, 2])).tables

    assert table.rows[1].quality[0].comparison.delta == pytest.approx(-9 / 24)
    assert table.rows[1].costs["ttft_s"].change == pytest.approx(1.0)


def test_any_run_may_be_the_one_compared_with(store):
    (table,) = compare_study(gather_runs(store, [2, 1])).tables

    assert [row.label for row in table.rows] == ["xkv", "identity"]
    assert table.rows[1].quality[0].comparison.outcome == "better"


def test_a_study_there_is_not_says_so(store):
    with pytest.raises(UsageError, match="no study 9"):
        gather_study(store, 9)


def test_an_environment_is_told_in_few_words():
    assert environment_words({"cpu": "Xeon", "gpus": ["H100"], "cores": 16, "torch": "2.14"}) == (
        "H100, 16 cores, torch 2.14"
    )
    assert environment_words({}) == ""
