"""A machine timed against itself, on a clock that tells known times with known noise."""

import json
import re

import pytest

from harness.engine.environment import environment
from harness.report.compare import compare_study
from harness.report.gather import gather_study
from harness.report.selfcheck import latest
from harness.store.queries import latest_study
from harness.store.writer import open_store

WORDS = (
    "task=counting",
    "model=counter",
    "model.pause=1",
    "device=cpu",
    "device.threads=1",
    "measure=standard",
    "measure.seconds=0",
    "measure.energy_idle_s=0",
    "measure.energy_trials=1",
    "measure.energy_window_s=0.1",
)


@pytest.fixture
def told(lab):
    """Commands on that clock."""

    def run(command, *words, noise=0.005, seed=0):
        return lab.harness(*command.split(), *WORDS, f"model.noise={noise}", f"model.clock={seed}", *words)

    return run


@pytest.fixture
def read(lab):
    """What the store says, through `look`."""

    def ask(look):
        with open_store(f"sqlite:///{lab.store}") as store:
            return look(store)

    return ask


def here(store):
    return latest(store, environment()[0])


def compared(store):
    """How the last study's second row compares in latency."""
    (table,) = compare_study(gather_study(store, latest_study(store).id)).tables
    return table, table.rows[1].costs["latency_s"].comparison


@pytest.mark.parametrize("seed", range(3))
def test_the_same_is_called_nothing_different(told, read, lab, seed):
    ended = told("selfcheck --sessions 1", seed=seed)
    (check,) = read(here)

    assert ended.code == 0, ended.err
    assert check.main.called == 0
    assert abs(check.main.largest) < 0.05
    timed = {one.metric: one.called for one in check.resolutions}
    by_chance = timed.pop("cold_latency_s")  # the one here that a real clock times: a quarter of a millisecond
    assert not any(timed.values())
    assert (
        f"The same was called different in {by_chance or 'none'} of {len(check.resolutions)} comparisons" in ended.out
    )
    assert "whole request" in ended.out
    assert lab.harness("compare").out == ended.out
    assert f"self-check of {check.day} here" in lab.harness("doctor").out


@pytest.mark.parametrize("noise", [0.005, 0.05])
def test_a_planted_slow_down_is_found(told, read, noise):
    told("selfcheck --sessions 1", noise=noise)
    (check,) = read(here)
    planted = max(0.1, 2 * check.main.smallest)

    ended = told("run +method=slow", f"method.slow.by={planted}", noise=noise)
    _, found = read(compared)

    assert ended.code == 0, ended.err
    assert found.outcome == "worse"
    assert found.change == pytest.approx(planted, rel=0.5)
    assert f"self-check of {check.day} here (standard" in " ".join(ended.out.split())


def test_a_narrow_interval_ends_the_session_and_a_wide_one_goes_on_and_resolves_less(told, read, lab):
    smallest = []
    for noise in (0.005, 0.1):
        told("selfcheck --sessions 1", noise=noise)
        smallest.append(read(here)[0].main.smallest)

    assert 0.05 <= smallest[0] < 0.08 < smallest[1]
    processes = lab.rows("SELECT value, detail FROM reading WHERE metric = 'stopped_after' AND position = 0")

    assert [value for value, _ in processes] == [3.0, 6.0]
    assert [json.loads(detail)["why"] for _, detail in processes] == ["width", "processes"]
    assert "narrower than ±2.5%" in json.loads(processes[0][1])["sentence"]


def test_a_spent_budget_is_told_and_settles_nothing(told, read, lab):
    first = told("run +method=slow", "measure.budget_s=0")
    table, found = read(compared)
    sessions = lab.rows("SELECT count(*) FROM session")

    again = told("run +method=slow", "measure.budget_s=0")

    assert first.code == again.code == 0
    assert lab.rows("SELECT count(*) FROM session") == sessions
    assert table.ended == (
        "stopped after 1 process an arm, fewer than the 3 that an outcome takes: "
        "another of each would not end within 0 s",
    )
    assert (found.outcome, found.interval) == (None, None)
    assert found.reason == "1 of at least 3 processes an arm: shown, not called"


def test_how_long_it_takes_is_said_before_it_starts(told, lab):
    ended = told("selfcheck --sessions 2 --dry-run")

    assert ended.code == 0
    assert re.search(r"Self-check: counting on counter \(cpu, 1 thread\), 2 sessions of two arms, 3 to 6 ", ended.err)
    assert re.search(r"at least (\d+ s|\d+ min)\.", ended.err)
    assert not lab.store.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("+method=slow",), "leave out method= and controls="),
        (("measure.processes=1", "measure.max_processes=null"), "add measure.processes=3"),
    ],
)
def test_what_checks_nothing_is_refused(told, words, message):
    ended = told("selfcheck", *words)

    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err
