"""Everything a run would check, and nothing of what it would do."""

import sqlite3
from contextlib import closing

import pytest

WORDS = ("task=counting", "model=counter", "device=cpu", "device.threads=1")


def test_the_plan_is_printed_and_nothing_is_written(lab):
    ended = lab.harness("validate", "+method=shift", "method.shift.by=1,2", *WORDS)

    assert ended.code == 0
    assert "3 runs (identity, shift ×2) of counting on counter, cpu, 1 threads" in ended.out
    assert "counting: samples 4, scoring once" in ended.out
    assert [line.split() for line in ended.out.splitlines() if line.startswith("method ")] == [
        ["method", "shift", "by", "1", "0/4", "done"],
        ["method", "shift", "by", "2", "0/4", "done"],
    ]
    assert "which a run makes" in ended.out
    assert not lab.store.exists()
    assert not lab.log.exists()


def test_a_dry_run_is_the_same(lab):
    words = ("+method=shift", *WORDS)

    assert lab.harness("run", "--dry-run", *words).out == lab.harness("validate", *words).out


def test_what_is_done_already_is_counted_and_the_store_is_left_as_it_is(lab):
    lab.run("+method=shift", "task.samples=2")
    before = lab.store.read_bytes()
    ended = lab.harness("validate", "+method=shift", "task.samples=3", *WORDS)

    assert "6 samples, 4 done" in ended.out
    assert "which holds 2 of the 2 runs" in ended.out
    assert lab.store.read_bytes() == before


def test_a_store_of_an_older_harness_is_not_upgraded(lab):
    with closing(sqlite3.connect(lab.store)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0000')")
    ended = lab.harness("validate", "+method=shift", *WORDS)

    assert ended.code == 0
    assert "of an older harness" in ended.out
    with closing(sqlite3.connect(lab.store)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0000",)]


@pytest.fixture
def absent(lab, monkeypatch):
    """The counter is not on this machine."""
    from toy_lab import CounterModel

    monkeypatch.setattr(CounterModel, "present", lambda self: False)
    return lab


def test_a_model_that_is_not_here_is_not_fetched(absent):
    ended = absent.harness("validate", "+method=shift", *WORDS)

    assert ended.code == 0
    assert "Not on this machine yet: counter" in ended.out
    assert "Plan:" not in ended.out
    assert "Plan:" in absent.harness("validate", "--fetch", "+method=shift", *WORDS).out


def test_what_does_not_fit_is_refused_without_the_model(absent):
    ended = absent.harness("validate", "+method=[shift,failing]", *WORDS)

    assert ended.code == 2
    assert "failing can't follow shift in a stack" in ended.err
    assert ended.out == ""
