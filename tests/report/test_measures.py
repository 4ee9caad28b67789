"""What a measure asked for, and what came of it, stands beside its numbers."""

from dataclasses import replace

import pytest

from harness.report.compare import compare_study
from harness.report.layout import lay_out


@pytest.fixture
def timed(make):
    """Two arms, the second twice as slow, with more readings of each process."""

    def table(measure, processes=3, samples=30, more=()):
        readings = []
        for number in (1, 2):
            for process in range(processes):
                values = [number * (1.0 + 0.001 * i) for i in range(samples)]
                readings += make.timed(number, "latency_s", values, process=process)
                for metric, value, unit, detail in more:
                    readings += make.timed(number, metric, [value], process=process, unit=unit, detail=detail)
        runs = [make.run(1), make.run(2, "xkv")]
        (found,) = compare_study(make.study(runs, readings=readings, measure=measure)).tables
        return found

    return table


@pytest.mark.parametrize(("strict", "known"), [(False, True), (True, False)])
def test_a_strict_measure_needs_more_samples_for_its_tail(make, timed, strict, known):
    cell = timed(replace(make.STANDARD, strict=strict)).rows[1].costs["latency_s"]

    assert (cell.p95.value is not None) == known
    assert cell.p95.reason == (None if known else "p95 needs 130 samples, there are 90")


def test_fewer_processes_than_the_measure_asks_for_call_nothing(make, timed):
    cell = timed(make.STANDARD, processes=2).rows[1].costs["latency_s"]

    assert cell.change == pytest.approx(1.0)
    assert (cell.comparison.outcome, cell.comparison.interval) == (None, None)
    assert cell.reason == "2 of at least 3 processes an arm: shown, not called"


def test_more_processes_than_asked_for_are_called(make, timed):
    cell = timed(replace(make.STANDARD, max_processes=6), processes=5).rows[1].costs["latency_s"]

    assert (cell.comparison.outcome, cell.comparison.processes) == ("worse", 5)


def test_why_a_session_stopped_is_told_once(make, timed):
    stop = ("stopped_after", 3.0, "1", {"why": "width", "sentence": "stopped after 3 processes an arm: narrow"})

    page = lay_out(timed(make.STANDARD, more=[stop]))

    assert page.conditions.count("costs: stopped after 3 processes an arm: narrow") == 1


def test_a_machine_that_was_not_steady_is_told(make, timed):
    table = timed(make.STANDARD, more=[("warmup_converged", 0.0, "1", None), ("throttled", 1.0, "1", None)])

    assert "xkv: latency had not settled after warming up, in 3 of 3 processes" in table.notes
    assert "identity: the clock was held down (heat or power) in 3 of 3 processes" in table.notes


def test_the_length_of_an_energy_window_is_no_cost(make, timed):
    cell = timed(make.STANDARD, more=[("window_s", 5.1, "s", None)]).rows[1].costs["window_s"]

    assert cell.comparison is None
