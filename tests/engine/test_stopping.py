"""A session stops on the width of its interval or on its time, and says so."""

from dataclasses import replace

import pytest

from harness.engine.duration import Span, process_span
from harness.engine.stopping import judge
from harness.spec.records import Measure

FIXED = Measure("fixed", processes=3, warmups=1, samples=5, decides=True)
WIDTH = replace(FIXED, max_processes=6, width=2.5)


def never():
    raise AssertionError("the width was asked for")


def why(measure, processes, width=never, spent_s=0.0, next_s=1.0):
    stop = judge(measure, processes, spent_s, next_s, width)
    return stop.why if stop else None


def test_a_fixed_number_of_processes_ends_when_they_are_done():
    assert [why(FIXED, processes) for processes in range(4)] == [None, None, None, "processes"]


def test_a_narrow_interval_ends_it_but_not_before_the_least_number():
    assert [why(WIDTH, processes) for processes in (0, 1, 2)] == [None, None, None]
    assert why(WIDTH, 3, lambda: 0.026) is None
    assert why(WIDTH, 3, lambda: 0.025) == "width"
    assert why(WIDTH, 4, lambda: None) is None


def test_a_wide_interval_ends_at_the_most_processes_and_says_how_wide_it_is():
    stop = judge(WIDTH, 6, 0.0, 0.0, lambda: 0.041)

    assert stop.sentence == (
        "stopped after 6 processes an arm: as many as this measure has; latency_s is known to ±4.1%"
    )


def test_no_process_begins_that_would_not_end_within_the_budget():
    short = replace(WIDTH, budget_s=60.0)

    assert why(short, 1, spent_s=20.0, next_s=20.0) is None
    assert why(short, 2, spent_s=41.0, next_s=20.0) == "budget"
    assert why(short, 3, lambda: 0.03, spent_s=41.0, next_s=20.0) == "budget"
    assert why(short, 3, lambda: 0.01, spent_s=41.0, next_s=20.0) == "width"


def test_the_first_processes_are_timed_whatever_the_budget():
    assert why(replace(FIXED, budget_s=0.0), 0) is None


def test_a_budget_spent_too_soon_says_that_nothing_can_be_called():
    stop = judge(replace(FIXED, budget_s=60.0), 1, 50.0, 50.0, never)

    assert stop.sentence == (
        "stopped after 1 process an arm, fewer than the 3 that an outcome takes: "
        "another of each would not end within 60 s"
    )


@pytest.mark.parametrize(
    ("measure", "energy", "seconds"),
    [
        (Measure("quick", 1, warmups=3, samples=5, decides=False), False, (5 + 8, 5 + 8)),
        (Measure("steady", 3, warmups=10, samples=30, decides=True, steady=True), False, (5 + 40, 5 + 60)),
        (Measure("long", 3, warmups=10, samples=30, decides=True, seconds=600), False, (5 + 610, 5 + 610)),
        (
            Measure("energy", 1, warmups=1, samples=5, decides=False, energy_trials=5, energy_idle_s=30.0),
            True,
            (5 + 1 + 5 + 2 + 30 + 5 * 5 + 4 * 10,) * 2,
        ),
    ],
)
def test_a_process_takes_its_warm_ups_samples_and_windows(measure, energy, seconds):
    assert process_span(1.0, measure, energy) == Span(*seconds)


def test_a_span_reads_as_people_say_it():
    assert Span(30.0, 30.0).words == "about 30 s (a rough guess)"
    assert (Span(100.0, 200.0) + Span(20.0, 100.0)).words == "about 2 min to 5 min (a rough guess)"
    assert (Span(100.0, 200.0) + Span(20.0, 100.0, known=False)).words == "at least 2 min"
