"""Timed arms: nothing is called different that a machine does by itself."""

import numpy as np
import pytest
from scipy import stats

from harness.stats.latency import compare_latency, smallest_difference


def arm(random, processes, factor=1.0, between=0.01, within=0.02, samples=30):
    """Readings of one arm, by process, each process with a pace of its own."""
    return [
        factor * 0.1 * np.exp(random.normal(0, between)) * np.exp(random.normal(0, within, samples))
        for _ in range(processes)
    ]


def test_a_slow_down_of_ten_percent_is_found():
    random = np.random.default_rng(0)
    found = compare_latency(arm(random, 5), arm(random, 5, factor=1.1))

    assert found.change == pytest.approx(0.1, abs=0.02)
    assert found.interval.low > 0
    assert found.outcome == "worse"


def test_more_is_better_where_the_reading_says_so():
    random = np.random.default_rng(0)
    found = compare_latency(arm(random, 5), arm(random, 5, factor=1.1), higher_is_better=True)

    assert found.outcome == "better"


def test_a_sure_change_below_five_percent_is_not_called():
    random = np.random.default_rng(1)
    found = compare_latency(arm(random, 5, between=0.01), arm(random, 5, factor=1.04, between=0.01))

    assert found.interval.excludes(0.0)
    assert (found.outcome, found.reason) == ("undecided", "the change is below 5%")


def test_a_steady_machine_shows_equivalence():
    random = np.random.default_rng(2)

    assert compare_latency(arm(random, 5, between=0.002), arm(random, 5, between=0.002)).outcome == "equivalent"


def test_the_interval_is_never_narrower_than_students_over_processes():
    random = np.random.default_rng(3)
    before, after = arm(random, 3, between=0.05), arm(random, 3, between=0.05)
    logs = [np.median(np.log(b / a)) for a, b in zip(before, after, strict=True)]
    low, high = stats.ttest_1samp(logs, 0).confidence_interval()

    found = compare_latency(before, after)

    assert found.interval.low <= np.expm1(low) + 1e-12
    assert found.interval.high >= np.expm1(high) - 1e-12


@pytest.mark.parametrize("processes", [3, 5])
def test_the_same_arm_twice_is_rarely_called_different(processes):
    random = np.random.default_rng(4)
    called = [
        compare_latency(arm(random, processes, between=0.1), arm(random, processes, between=0.1)).outcome
        for _ in range(300)
    ]

    assert sum(outcome in ("better", "worse") for outcome in called) / 300 <= 0.08


def test_slow_drift_that_both_arms_share_cancels():
    random = np.random.default_rng(5)
    drift = [1.0, 1.3, 1.6]
    before = [pace * values for pace, values in zip(drift, arm(random, 3, between=0.002), strict=True)]
    after = [pace * values for pace, values in zip(drift, arm(random, 3, factor=1.2, between=0.002), strict=True)]

    found = compare_latency(before, after)

    assert found.interval.half_width < 0.03
    assert found.outcome == "worse"


def test_requests_of_unequal_size_cancel():
    random = np.random.default_rng(6)
    sizes = random.lognormal(0, 1, 30)
    before = [sizes * values for values in arm(random, 3, between=0.002)]
    after = [sizes[:20] * values for values in arm(random, 3, factor=1.2, between=0.002, samples=20)]

    assert compare_latency(before, after).interval.half_width < 0.05


def test_one_process_an_arm_is_shown_not_called():
    found = compare_latency([[0.1, 0.1, 0.1]], [[0.2, 0.2, 0.2]])

    assert found.change == pytest.approx(1.0)
    assert (found.interval, found.outcome) == (None, None)
    assert found.reason == "one process an arm: shown, not called"


def test_arms_with_unequal_processes_are_refused():
    with pytest.raises(ValueError):
        compare_latency([[0.1], [0.1]], [[0.1]])


def test_readings_without_a_ratio_say_so():
    assert compare_latency([[0.0, 0.1]], [[0.1]]).reason == "a reading is not positive: no ratio"
    assert compare_latency([[np.nan]], [[0.1]]).reason == "no readings to pair"


@pytest.mark.parametrize("processes", [3, 5])
def test_the_smallest_difference_is_found_in_most_sessions(processes):
    random = np.random.default_rng(7)
    smallest = smallest_difference([aa(random, processes) for _ in range(30)])

    found = np.mean([aa(random, processes, 1 + smallest).outcome == "worse" for _ in range(60)])

    assert 0.7 <= found <= 0.97


@pytest.mark.parametrize("sessions", [1, 3])
def test_twice_the_smallest_difference_is_found_however_few_sessions_told_it(sessions):
    random = np.random.default_rng(8)
    found = []
    for _ in range(25):
        smallest = smallest_difference([aa(random, 3) for _ in range(sessions)])
        found.append(aa(random, 3, 1 + 2 * smallest).outcome == "worse")

    assert np.mean(found) >= 0.95


def aa(random, processes, factor=1.0, noise=0.03):
    return compare_latency(*(arm(random, processes, pace, noise, noise) for pace in (1.0, factor)))


def test_a_machine_without_noise_resolves_what_may_be_called_at_all():
    same = compare_latency([[0.1] * 30] * 3, [[0.1] * 30] * 3)

    assert smallest_difference([same]) == pytest.approx(0.05)


def test_one_process_an_arm_resolves_nothing():
    assert smallest_difference([compare_latency([[0.1, 0.1]], [[0.1, 0.1]])]) is None
