"""Intervals of one arm, against scipy, statsmodels and closed forms."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness.stats.intervals import Interval, mean, median, percentile, share, share_at_most
from harness.stats.resampling import DRAWS, SEED, design, draw_hierarchical, draw_means, draw_medians, standard_error


@pytest.mark.parametrize(("successes", "n"), [(0, 8), (3, 10), (21, 24), (24, 24), (517, 1000)])
def test_a_share_has_the_wilson_interval_of_statsmodels(successes, n):
    assert share(successes, n) == pytest.approx(proportion_confint(successes, n, method="wilson"))


@pytest.mark.parametrize(("successes", "n"), [(0, 24), (3, 24), (500, 1000)])
def test_the_upper_bound_of_a_share_is_clopper_and_pearsons(successes, n):
    assert share_at_most(successes, n) == pytest.approx(proportion_confint(successes, n, method="beta")[1])


def test_the_upper_bound_of_none_in_24_is_one_minus_a_root():
    assert share_at_most(0, 24) == pytest.approx(1 - 0.025 ** (1 / 24))
    assert share_at_most(24, 24) == 1.0


def test_zeros_and_ones_have_the_wilson_interval():
    found = mean([1, 1, 1, 0, 1, 1, 1, 1], strata=list("aabbaabb"))

    assert found.value == 0.875
    assert found.interval == pytest.approx(share(7, 8))
    assert found.n == 8


def test_the_macro_mean_weighs_strata_alike_however_many_samples_they_have():
    assert mean([1, 1, 1, 1, 0.5], strata=list("aaaab")).value == pytest.approx(0.75)


def test_the_bootstrap_of_a_plain_mean_draws_what_scipy_draws():
    values = np.random.default_rng(5).beta(0.7, 0.9, 40)
    drawn = draw_means(values, design(40))
    inflation = np.sqrt(40 / 39)

    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=DRAWS, method="percentile", rng=np.random.default_rng(6)
    ).bootstrap_distribution
    widened = values.mean() + inflation * (reference - values.mean())

    assert stats.ks_2samp(drawn, widened).pvalue > 0.01
    assert drawn.std() == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=0.02)


def test_values_that_repeat_are_drawn_as_often_as_others():
    values = np.repeat([0.0, 0.5, 1.0], [30, 20, 50])
    drawn = draw_means(values, design(100))
    brute = np.random.default_rng(2).choice(values, size=(DRAWS, 100)).mean(axis=1)

    assert drawn.mean() == pytest.approx(0.6, abs=0.002)
    assert drawn.std() == pytest.approx(np.sqrt(100 / 99) * brute.std(), rel=0.02)


def test_the_standard_error_of_a_stratified_mean_is_the_textbooks():
    values = np.array([0.1, 0.4, 0.9, 0.2, 0.3, 0.8, 0.7])
    a, b = values[:4], values[4:]

    assert standard_error(values, design(7, list("aaaabbb"))) == pytest.approx(
        np.sqrt(a.var(ddof=1) / 4 + b.var(ddof=1) / 3) / 2
    )


def test_samples_of_one_context_count_as_one():
    values = np.array([0.1, 0.5, 0.9, 0.3])
    shared = mean(np.repeat(values, 5), clusters=np.repeat(["a", "b", "c", "d"], 5).tolist())

    assert shared.interval == pytest.approx(mean(values).interval)
    assert shared.n == 20


def test_a_cluster_that_is_none_stands_alone():
    assert len(design(4, clusters=["a", None, None, "a"]).blocks) == 3
    assert len(design(3, clusters=[float("nan"), float("nan"), None]).blocks) == 3


def test_with_weights_the_mean_is_a_ratio_of_sums_and_spreads_as_one():
    random = np.random.default_rng(0)
    weights = random.integers(5, 500, size=60).astype(float)
    values = random.normal(3.0, 1.0, size=60) + weights / 200

    found = mean(values, weights=weights)

    assert found.value == pytest.approx(np.average(values, weights=weights))
    ratio = stats.bootstrap(
        (values, weights),
        lambda v, w, axis: (v * w).sum(axis=axis) / w.sum(axis=axis),
        paired=True,
        method="percentile",
        random_state=1,
    ).confidence_interval
    assert found.interval == pytest.approx((ratio.low, ratio.high), abs=0.06)
    assert found.interval.half_width != pytest.approx(mean(values).interval.half_width, rel=0.1)


def test_weights_count_within_a_stratum_and_strata_alike():
    assert mean([1, 3, 10], strata=["a", "a", "b"], weights=[1, 3, 50]).value == pytest.approx((2.5 + 10) / 2)


def test_one_context_shows_no_spread():
    assert mean([0.2, 0.4], clusters=["a", "a"]).interval is None


def test_a_stratum_with_one_sample_still_adds_spread():
    lone = mean([0.1, 0.2, 0.8, 0.3, 0.9], strata=list("abcde")).interval

    assert lone.half_width > 0.2


def test_equal_scores_are_not_certain():
    interval = mean([0.5] * 24).interval

    assert interval.low == pytest.approx(0.5 - 0.14247, abs=1e-5)
    assert interval.high == pytest.approx(0.5 + 0.14247, abs=1e-5)


def test_unknown_scores_are_left_out():
    assert mean([1.0, np.nan, 0.0, 1.0]).n == 3
    assert mean([np.nan]).value is None
    assert mean([]).reason == "no sample has a score"


def test_the_stratified_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(11)
    strata = list("a" * 8 + "b" * 8 + "c" * 8)
    truth = np.repeat([0.3, 0.5, 0.7], 8)
    covered = 0
    for _ in range(300):
        interval = mean(truth + random.beta(0.6, 1.2, 24) - 0.6 / 1.8, strata).interval
        covered += interval.low <= 0.5 <= interval.high

    assert 0.92 <= covered / 300 <= 0.98


def test_the_same_data_give_the_same_interval():
    values = np.random.default_rng(1).random(30)

    assert mean(values) == mean(values)
    assert mean(values, seed=SEED + 1) != mean(values)


def test_numbers_in_place_of_names_give_the_same_design():
    """Contexts within subtasks and across them, lone samples among them."""
    random = np.random.default_rng(5)
    strata = random.integers(4, size=200)
    for contexts in (random.integers(-1, 40, size=200), strata * 100 + random.integers(10, size=200)):
        named = design(
            200, [f"subtask {one}" for one in strata], [None if one < 0 else f"context {one}" for one in contexts]
        )
        numbered = design(200, strata, contexts)

        for field in ("weights", "units", "blocks"):
            assert getattr(numbered, field).tolist() == getattr(named, field).tolist()


def test_processes_are_drawn_as_one_by_one():
    """The draws are made from sizes alone; written out, each process drawn has the medians of its own resamples."""
    processes = [np.sort(np.random.default_rng(size).lognormal(size=size)) for size in (5, 8, 1, 5)]
    random = np.random.default_rng(SEED)
    chosen = random.integers(4, size=(DRAWS, 4))
    medians = np.empty(chosen.shape)
    for place, values in enumerate(processes):
        medians[chosen == place] = draw_medians(values, int(np.sum(chosen == place)), random)

    assert draw_hierarchical(processes).tolist() == medians.mean(axis=1).tolist()


@pytest.mark.parametrize("n", [1, 2, 5, 8, 31, 60])
def test_medians_of_resamples_are_distributed_as_if_drawn(n):
    values = np.sort(np.random.default_rng(n).lognormal(size=n))
    random = np.random.default_rng(2)
    brute = np.median(values[random.integers(n, size=(20_000, n))], axis=1)
    found = draw_medians(values, 20_000, random)

    at = np.unique(brute)
    share_below = [np.searchsorted(np.sort(drawn), at, side="right") / 20_000 for drawn in (found, brute)]
    assert share_below[0] == pytest.approx(share_below[1], abs=0.02)


def test_the_median_of_one_process_has_scipys_bootstrap_interval():
    values = np.random.default_rng(3).lognormal(size=41)
    reference = stats.bootstrap((values,), np.median, n_resamples=DRAWS, method="percentile", rng=7)

    found = median([values])

    assert found.value == np.median(values)
    assert found.interval == pytest.approx(tuple(reference.confidence_interval), rel=0.05)


def test_processes_that_disagree_widen_the_median():
    steady = [100.0, 100.1, 99.9, 100.0]
    within = median([steady]).interval
    between = median([np.add(steady, shift) for shift in (-5, 0, 5)])

    assert between.value == pytest.approx(100.0)
    assert within.half_width < 0.2
    # Student's: 4.303 × 5 / √3
    assert between.interval.half_width == pytest.approx(12.42, abs=0.01)


def test_a_median_without_readings_is_unknown():
    assert median([[], [np.nan]]).value is None
    assert median([[7.0]]) == (7.0, None, 1, "one reading shows no spread")


@pytest.mark.parametrize(
    ("q", "strict", "enough"), [(95, False, 59), (95, True, 130), (99, False, 299), (99, True, 662)]
)
def test_a_high_percentile_needs_samples_enough(q, strict, enough):
    values = np.arange(enough, dtype=float)

    assert percentile(values[1:], q, strict=strict).value is None
    assert percentile(values[1:], q, strict=strict).reason == f"p{q} needs {enough} samples, there are {enough - 1}"
    assert percentile(values, q, strict=strict).value == pytest.approx(np.percentile(values, q))


def test_an_interval_knows_its_half_width_and_what_it_holds():
    interval = Interval(-0.5, 1.5)

    assert interval.half_width == 1.0
    assert interval.excludes(1.6)
    assert not interval.excludes(0.0)
    assert interval.within(1.5)
    assert not interval.within(1.0)
