"""Paired comparisons, against published examples, statsmodels and scipy."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from harness.stats.paired import Comparison, adjust, compare, compare_seeds, detectable, holm, mcnemar, tango
from harness.stats.resampling import design, sign_flip


def pairs(both=0, gained=0, lost=0, neither=0):
    """Zeros and ones of two arms, from the cells of their table."""
    before = [1] * both + [0] * gained + [1] * lost + [0] * neither
    after = [1] * both + [1] * gained + [0] * lost + [0] * neither
    return np.array(before, float), np.array(after, float)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (5, 1), (14, 5), (30, 30), (12, 101)])
def test_mcnemar_is_the_exact_test_of_statsmodels(gained, lost):
    expected = statsmodels_mcnemar([[10, gained], [lost, 10]], exact=True).pvalue if gained + lost else 1.0

    assert mcnemar(gained, lost) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "level", "low", "high", "digits"),
    [
        (9, 3, 32, 0.95, -0.027, 0.390, 3),  # Tango 1998, Statistics in Medicine 17:891, example 1
        (0, 1, 44, 0.90, -0.096, 0.037, 3),  # the same, example 2: zero cells
        (16, 8, 86, 0.95, -0.020, 0.207, 3),  # Agresti and Min 2005, Statistics in Medicine 24:729
        (1, 7, 21, 0.95, -0.517, -0.026, 3),  # Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33:2850
        (28, 25, 618, 0.90, -0.0148, 0.0247, 4),  # R's PropCIs::scoreci.mp(25, 28, 618, .9)
        (6, 16, 161, 0.95, -0.1240, -0.0054, 4),  # R's contingencytables, complete response of Cavo et al. 2012
    ],
)
def test_tangos_interval_equals_published_ones(gained, lost, n, level, low, high, digits):
    # To the digits printed: half of the last one.
    assert tango(gained, lost, n, level) == pytest.approx((low, high), abs=0.5 * 10.0**-digits)


def test_tangos_interval_of_equal_pairs_is_never_a_point():
    # |T| ≤ z solves to ± z²/(n + z²) where nothing differs.
    z2 = stats.norm.ppf(0.975) ** 2

    assert tango(0, 0, 24) == pytest.approx((-z2 / (24 + z2), z2 / (24 + z2)))


@pytest.mark.parametrize(("gained", "lost", "n"), [(40, 20, 160), (3, 0, 25), (0, 0, 9), (12, 0, 12)])
def test_tangos_interval_mirrors_when_the_arms_swap(gained, lost, n):
    there, back = tango(gained, lost, n), tango(lost, gained, n)

    assert there == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_tangos_interval_ends_where_every_pair_went_one_way():
    assert tango(12, 0, 12).high == 1.0
    assert tango(0, 12, 12).low == -1.0


def test_tangos_interval_covers_the_difference_as_often_as_it_says():
    random = np.random.default_rng(4)
    cells = random.multinomial(40, [0.15, 0.05, 0.8], size=800)
    covered = [interval.low <= 0.1 <= interval.high for g, l, _ in cells for interval in [tango(g, l, 40)]]

    assert 0.93 <= np.mean(covered) <= 0.98


def test_swapping_arms_is_mcnemars_test_on_zeros_and_ones():
    before, after = pairs(both=3, gained=9, lost=2, neither=5)

    assert sign_flip(after - before, design(19)) == pytest.approx(mcnemar(9, 2))


def test_swapping_arms_is_scipys_permutation_test():
    differences = np.random.default_rng(8).normal(0.4, 1.0, 12)
    reference = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )

    assert sign_flip(differences, design(12)) == pytest.approx(reference.pvalue)


def test_many_pairs_are_swapped_at_random_and_give_the_t_tests_p():
    differences = np.random.default_rng(9).normal(0.2, 1.0, 100)

    assert sign_flip(differences, design(100)) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)


def test_many_pairs_of_one_size_are_swapped_by_count_and_give_mcnemars_p():
    before, after = pairs(both=20, gained=40, lost=25, neither=15)

    assert sign_flip(after - before, design(100)) == pytest.approx(mcnemar(40, 25), abs=0.01)


def test_what_a_study_can_find_agrees_with_a_published_formula():
    # Connor 1987, Biometrics 43:207, solved for n; McNemar's exact test needs a few more.
    delta, psi = 0.125, 19 / 72
    connor = (1.96 * np.sqrt(psi) + 0.8416 * np.sqrt(psi - delta**2)) ** 2 / delta**2
    needed = next(n for n in range(100, 200) if detectable(round(psi * n), n) <= delta)

    assert connor == pytest.approx(130, abs=1)
    assert connor < needed <= 1.1 * connor


def test_what_a_study_can_find_is_found_in_four_of_five():
    random, n = np.random.default_rng(12), 60
    delta, psi = detectable(24, n), 24 / n
    cells = random.multinomial(n, [(psi + delta) / 2, (psi - delta) / 2, 1 - psi], size=2000)
    found = np.mean([mcnemar(int(g), int(l)) <= 0.05 for g, l, _ in cells])

    assert found == pytest.approx(0.8, abs=0.03)


def test_a_study_without_a_differing_pair_still_can_not_find_everything():
    # P(Binomial(24, δ) ≥ 6) = 0.8
    assert stats.binom.sf(5, 24, detectable(0, 24)) == pytest.approx(0.8, abs=1e-4)
    assert detectable(0, 5) is None


def test_zeros_and_ones_are_compared_exactly():
    found = compare(*pairs(both=47, gained=14, lost=5, neither=6))

    assert found.delta == pytest.approx(9 / 72)
    assert found.interval == pytest.approx(tango(14, 5, 72))
    assert found.p == pytest.approx(0.0636, abs=1e-4)
    assert (found.n, found.differing, found.outcome) == (72, 19, "undecided")
    assert found.reason == "p = 0.064 is above 0.05"


def test_a_clear_gain_is_better_where_more_is_and_worse_where_less_is():
    before, after = pairs(both=5, gained=12, lost=1, neither=6)

    assert compare(before, after).outcome == "better"
    assert compare(after, before).outcome == "worse"
    assert compare(before, after, higher_is_better=False).outcome == "worse"


def test_of_what_only_describes_more_is_higher_and_less_is_lower():
    before, after = pairs(both=5, gained=12, lost=1, neither=6)

    assert compare(before, after, higher_is_better=None).outcome == "higher"
    assert compare(after, before, higher_is_better=None).outcome == "lower"
    (alone,) = adjust([compare(before, after, higher_is_better=None)])
    assert alone.outcome == "higher"
    assert {one.outcome for one in adjust([compare(before, after, higher_is_better=None)] * 30)} == {"undecided"}


def test_fewer_than_six_differing_pairs_decide_nothing():
    found = compare(*pairs(both=0, gained=5, lost=0, neither=3))

    assert found.interval.low > 0
    assert found.outcome == "undecided"
    assert found.reason == "fewer than six pairs differ"


def test_eight_equal_pairs_are_not_no_difference():
    for before, after in (pairs(both=8), (np.full(8, 0.25), np.full(8, 0.25))):
        found = compare(before, after)

        assert found.interval.low < -0.3 < 0.3 < found.interval.high
        assert (found.p, found.outcome, found.differing) == (1.0, "undecided", 0)
        assert found.reason == "all 8 pairs are equal, too few to say 'no difference'"


def test_graded_scores_that_hardly_differ_have_the_exact_bound():
    before = np.full(40, 0.5)
    after = before.copy()
    after[0] = 0.6
    bound = stats.binomtest(1, 40).proportion_ci(0.95, "exact").high

    found = compare(before, after)

    assert found.interval == pytest.approx((-bound, bound))
    assert found.outcome == "undecided"


def test_equivalent_needs_the_whole_interval_within_the_margin():
    assert compare(*pairs(both=300)).outcome == "undecided"
    assert compare(*pairs(both=400)).outcome == "equivalent"
    assert compare(*pairs(both=300), margin=0.02).outcome == "equivalent"
    assert compare(*pairs(neither=4000)).outcome == "undecided"  # 1 % of nothing is nothing


def test_a_difference_smaller_than_the_margin_is_equivalent_however_sure():
    before = np.full(500, 0.8)
    found = compare(before, before + np.random.default_rng(1).normal(0.002, 0.0005, 500))

    assert found.interval.excludes(0.0)
    assert found.outcome == "equivalent"


def test_unbalanced_strata_weigh_alike():
    before, after = pairs(both=1, gained=9, lost=0, neither=2)
    strata = ["a"] * 10 + ["b"] * 2

    found = compare(before, after, strata)

    assert found.delta == pytest.approx(0.45)
    assert found.test.startswith("arms swapped")


def test_pairs_of_one_context_are_swapped_together():
    before, after = pairs(gained=12)
    contexts = np.repeat(list("abcd"), 3).tolist()

    found = compare(before, after, clusters=contexts)

    assert compare(before, after).p == pytest.approx(2 / 4096)
    assert found.p == pytest.approx(2 / 16)
    assert found.reason == "fewer than six contexts differ"


def test_graded_pairs_agree_with_the_paired_t_interval():
    random = np.random.default_rng(21)
    before, change = random.random(200), random.normal(0.05, 0.1, 200)
    reference = stats.ttest_rel(before + change, before).confidence_interval()

    found = compare(before, before + change)

    assert found.interval == pytest.approx(tuple(reference), abs=0.002)
    assert found.outcome == "better"
    assert found.mde == pytest.approx(TTestPower().solve_power(None, 200, 0.05, 0.8) * change.std(ddof=1), rel=0.01)


def test_arms_that_are_alike_are_rarely_called_different():
    random = np.random.default_rng(31)
    strata = list("a" * 20 + "b" * 6 + "c" * 10)
    p = np.repeat([0.9, 0.5, 0.7], [20, 6, 10])
    called = [compare((random.random(36) < p) * 1.0, (random.random(36) < p) * 1.0, strata).outcome for _ in range(200)]

    assert sum(outcome in ("better", "worse") for outcome in called) <= 0.08 * 200


def test_unknown_scores_leave_their_pair_out():
    found = compare([1, 1, np.nan, 0], [1, np.nan, 1, 0], list("aabb"))

    assert found.n == 2


def test_nothing_in_common_is_undecided():
    assert compare([np.nan], [1.0]) == Comparison(None, None, None, 0, 0, None, "undecided", "no sample in common")


def test_holm_is_statsmodels_holm():
    p = [0.01, 0.04, 0.03, 0.005, 0.9]

    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert holm([]) == []


def test_an_outcome_that_many_tasks_explain_is_taken_back():
    clear = compare(*pairs(both=5, gained=20, lost=1, neither=6))
    faint = compare(*pairs(both=5, gained=8, lost=1, neither=6))
    unknown = compare([np.nan], [1.0])
    assert faint.outcome == "better"

    first, second, third, fourth = adjust([clear, faint, faint, unknown])

    assert first.outcome == "better"
    assert first.p_adjusted == pytest.approx(3 * clear.p)
    assert second.outcome == third.outcome == "undecided"
    assert second.reason == "p = 0.078 once adjusted for the comparisons beside it"
    assert fourth.p_adjusted is None


def test_seeds_have_the_paired_t_interval():
    before = np.array([0.71, 0.70, 0.73, 0.69, 0.72, 0.70])
    after = before + np.array([0.02, 0.03, 0.01, 0.025, 0.02, 0.015])
    reference = stats.ttest_rel(after, before)

    found = compare_seeds(before, after)

    assert found.interval == pytest.approx(tuple(reference.confidence_interval()))
    assert found.p == pytest.approx(reference.pvalue)
    assert (found.n, found.outcome) == (6, "better")


def test_what_seeds_can_find_agrees_with_statsmodels():
    before = np.random.default_rng(3).normal(0.7, 0.01, 10)
    after = before + np.random.default_rng(4).normal(0.0, 0.02, 10)
    effect = TTestPower().solve_power(None, 10, 0.05, 0.8)

    assert compare_seeds(before, after).mde == pytest.approx(effect * (after - before).std(ddof=1), rel=0.02)


def test_fewer_than_five_seeds_are_shown_not_called():
    found = compare_seeds([0.5, 0.5, 0.5, 0.5], [0.7, 0.71, 0.69, 0.7])

    assert found.p < 0.001
    assert (found.outcome, found.reason) == ("undecided", "4 seeds, 5 are needed: shown, not called")


def test_seeds_that_all_differ_by_the_same_are_not_certain():
    found = compare_seeds([0.5] * 6, [0.5] * 6)

    assert found.interval is None
    assert found.outcome == "undecided"
