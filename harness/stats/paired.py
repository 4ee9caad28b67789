"""Two arms on the same samples: how much they differ, how sure that is, and what may be said of it.

What may be said is one of four outcomes. `better` and `worse` need an interval without 0, p ≤ 0.05
and six differing pairs; `equivalent` needs the whole interval within the margin, 1 % of the
baseline's value; all else is `undecided`. Of a quantity that only describes, `higher` and `lower`
take the place of better and worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.intervals import (
    FEW,
    Interval,
    differing_units,
    is_binary,
    keep,
    kept_weights,
    span,
    student,
    widen,
)
from harness.stats.resampling import (
    SEED,
    Array,
    Design,
    Labels,
    bootstrap_ends,
    design,
    sign_flip,
    standard_error,
    weighted_mean,
)

ALPHA = 0.05
POWER = 0.80
MARGIN = 0.01
FEWEST_SEEDS = 5
DECIDED = ("better", "worse", "higher", "lower")


@dataclass(frozen=True)
class Comparison:
    """Candidate minus baseline. Unknown is None; `reason` says why the outcome is what it is."""

    delta: float | None
    interval: Interval | None
    p: float | None
    n: int  # pairs
    differing: int  # pairs that differ
    mde: float | None  # the smallest true difference found in 80 of 100 such studies
    outcome: str  # better worse (higher lower) equivalent undecided
    reason: str
    test: str = ""  # what gave p and interval
    p_adjusted: float | None = None  # p, allowing for the other comparisons made beside this one


# Zeros and ones.


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p: gained ~ Binomial(gained + lost, ½) where the arms are alike (McNemar 1947)."""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def tango(gained: int, lost: int, n: int, level: float = 0.95) -> Interval:
    """Score interval of the paired difference of proportions, (gained − lost)/n.

    All δ with |T(δ)| ≤ z (Tango 1998, Statistics in Medicine 17:891). Zero cells are no trouble.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, delta, edge = float(norm.ppf(0.5 + level / 2)), (gained - lost) / n, 1 - 1e-12

    def end(sign: int) -> float:
        if delta == sign:
            return float(sign)
        found = brentq(lambda at: _tango_score(gained, lost, n, at) + sign * z, delta, sign * edge, xtol=1e-12)
        return float(found)

    return Interval(end(-1), end(+1))


def _tango_score(gained: int, lost: int, n: int, delta: float) -> float:
    """T(δ) = (gained − lost − nδ) / √(n (2q + δ(1 − δ))), q the likeliest P(lost) where the difference is δ."""
    numerator = gained - lost - n * delta
    a, b, c = 2 * n, (2 * n - gained + lost) * delta - gained - lost, -lost * delta * (1 - delta)
    q = (sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * q + delta * (1 - delta))
    return 0.0 if numerator == 0 else numerator / sqrt(max(variance, 1e-300))


# The smallest difference a study can find.


def detectable(differing: int, n: int) -> float | None:
    """Of two proportions in n pairs: the δ at which McNemar's exact test has 80 % power.

    Pairs differ with probability ψ, as in those seen, but at least δ. Fewer than six pairs find nothing.
    """
    from scipy.optimize import brentq

    if n < FEW:
        return None
    seen = differing / n
    return float(brentq(lambda delta: _mcnemar_power(delta, max(seen, delta), n) - POWER, 1e-9, 1.0, xtol=1e-6))


def _mcnemar_power(delta: float, psi: float, n: int) -> float:
    """Σₘ P(m pairs differ) × P(enough of them gained), each gained with probability (ψ + δ) / 2ψ."""
    from scipy.stats import binom

    low, high = binom.interval(1 - 1e-9, n, min(psi, 1.0))
    m = np.arange(low, high + 1)
    enough = binom.isf(ALPHA / 2, m, 0.5)  # more than this many gained reject
    return float(binom.pmf(m, n, min(psi, 1.0)) @ binom.sf(enough, m, min((psi + delta) / (2 * psi), 1.0)))


def _detectable_mean(differences: Array, of: Design, largest: float) -> float | None:
    """(z_α + z_β) × standard error.

    Where few units differ it is at least what makes six differ in 80 of 100 studies,
    P(Binomial(n, δ) ≥ 6) = 0.8, times the largest difference.
    """
    from scipy.stats import beta, norm

    n = of.effective_units
    if n < FEW:
        return None
    enough = differing_units(differences, of).sum() >= FEW
    floor = 0.0 if enough else float(beta.ppf(POWER, FEW, n - FEW + 1)) * largest
    return max(floor, float((norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER)) * standard_error(differences, of)))


# The one entry.


def compare(
    baseline: ArrayLike,
    candidate: ArrayLike,
    strata: Labels | None = None,
    clusters: Labels | None = None,
    *,
    weights: ArrayLike | None = None,
    shares: bool = True,
    higher_is_better: bool | None = True,
    margin: float = MARGIN,
    seed: int = SEED,
) -> Comparison:
    """Compares two arms sample by sample: the difference of their macro means over `strata`, weighted within them.

    - Zeros and ones, each sample a context of its own, equally many a stratum: McNemar's exact test and
      Tango's interval of the pooled pairs. The pooled difference is the macro difference there, and
      pooling adds the spread between strata, so the interval errs on the wide side.
    - Everything else: stratified bootstrap over contexts, p by swapping arms within contexts.

    `margin` is relative to the baseline's value; without `shares` zeros and ones are means of many.
    Pairs with an unknown (NaN) score are left out.
    """
    before, after = np.asarray(baseline, np.float64), np.asarray(candidate, np.float64)
    known = ~(np.isnan(before) | np.isnan(after))
    before, after = before[known], after[known]
    if len(before) == 0:
        return Comparison(None, None, None, 0, 0, None, "undecided", "no sample in common")
    of = design(len(before), keep(strata, known), keep(clusters, known), kept_weights(weights, known))
    raw = (_compare_binary if shares and of.plain and is_binary(before, after) else _compare_means)(
        before, after, of, seed
    )
    units = int(differing_units(after - before, of).sum())
    return judge(raw, units, margin * abs(weighted_mean(before, of)), higher_is_better)


def _compare_binary(before: Array, after: Array, of: Design, seed: int) -> Comparison:
    n, gained, lost = len(before), int(np.sum(after > before)), int(np.sum(after < before))
    return Comparison(
        delta=(gained - lost) / n,
        interval=tango(gained, lost, n),
        p=mcnemar(gained, lost),
        n=n,
        differing=gained + lost,
        mde=detectable(gained + lost, n),
        outcome="undecided",
        reason="",
        test="exact McNemar test, Tango score interval",
    )


def _compare_means(before: Array, after: Array, of: Design, seed: int) -> Comparison:
    differences, largest = after - before, span(before, after)
    interval = None
    if len(of.blocks) > 1:
        interval = widen(Interval(*bootstrap_ends(differences, of, seed=seed)), differences, of, largest)
    return Comparison(
        delta=weighted_mean(differences, of),
        interval=interval,
        p=sign_flip(differences, of, seed),
        n=len(before),
        differing=int(np.sum(np.abs(differences) > 1e-12)),
        mde=_detectable_mean(differences, of, largest),
        outcome="undecided",
        reason="",
        test="arms swapped within contexts, bootstrap over contexts within strata",
    )


def judge(found: Comparison, units: int, margin: float, higher_is_better: bool | None) -> Comparison:
    """`found` with its outcome; `units` is how many contexts differ, `margin` is in the scores' own unit."""
    delta, interval, p = found.delta, found.interval, found.p
    if delta is None or interval is None or p is None:
        return replace(found, reason="one context shows no spread")
    if margin > 0 and interval.within(margin):
        return replace(found, outcome="equivalent", reason=f"the whole interval lies within ±{margin:.3g}")
    if found.differing == 0:
        return replace(found, reason=f"all {found.n} pairs are equal, too few to say 'no difference'")
    if units < FEW:
        return replace(found, reason=f"fewer than six {'pairs' if units == found.differing else 'contexts'} differ")
    if not interval.excludes(0.0):
        return replace(found, reason="the interval holds 0")
    if p > ALPHA:
        return replace(found, reason=f"p = {p:.3f} is above {ALPHA}")
    words = ("higher", "lower") if higher_is_better is None else ("better", "worse")
    outcome = words[0] if (delta > 0) == (higher_is_better is not False) else words[1]
    return replace(found, outcome=outcome, reason="the interval excludes 0")


# Many comparisons at once.


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment: the i-th smallest of m times m − i + 1, made monotone, at most 1."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(one) for one in adjusted]


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons of one family, p adjusted by Holm; what no longer holds becomes undecided."""
    known = [index for index, one in enumerate(comparisons) if one.p is not None]
    adjusted = dict(zip(known, holm([p for one in comparisons if (p := one.p) is not None]), strict=True))
    return [_adjusted(one, adjusted.get(index)) for index, one in enumerate(comparisons)]


def _adjusted(found: Comparison, p: float | None) -> Comparison:
    if p is not None and p > ALPHA and found.outcome in DECIDED:
        reason = f"p = {p:.3f} once adjusted for the comparisons beside it"
        return replace(found, p_adjusted=p, outcome="undecided", reason=reason)
    return replace(found, p_adjusted=p)


# Trained and built things: a pair is a seed.


def compare_seeds(
    baseline: ArrayLike, candidate: ArrayLike, *, higher_is_better: bool | None = True, margin: float = MARGIN
) -> Comparison:
    """Compares trainings or builds pair by pair, one value per seed: paired t test and interval.

    Fewer than five pairs are shown, not called.
    """
    before, after = np.asarray(baseline, np.float64), np.asarray(candidate, np.float64)
    known = ~(np.isnan(before) | np.isnan(after))
    differences = (after - before)[known]
    n, differing = len(differences), int(np.sum(differences != 0))
    if n == 0:
        return Comparison(None, None, None, 0, 0, None, "undecided", "no seed in common")
    delta = float(differences.mean())
    if n == 1 or np.ptp(differences) <= 1e-12:
        reason = "one seed shows no spread" if n == 1 else f"all {n} seeds differ by the same, which shows no spread"
        return Comparison(delta, None, None, n, differing, None, "undecided", reason)
    interval, p, mde = student(differences), _t_test(differences), _detectable_seeds(differences)
    found = Comparison(delta, interval, p, n, differing, mde, "undecided", "", "paired t test over seeds")
    if n < FEWEST_SEEDS:
        return replace(found, reason=f"{n} seeds, {FEWEST_SEEDS} are needed: shown, not called")
    return judge(found, FEW, margin * abs(float(before[known].mean())), higher_is_better)


def _t_test(differences: Array) -> float:
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, 0.0).pvalue)


def _detectable_seeds(differences: Array) -> float:
    """(t_α + t_β) × standard error, t with n − 1 degrees of freedom."""
    from scipy.stats import t

    degrees = len(differences) - 1
    error = differences.std(ddof=1) / sqrt(len(differences))
    return float((t.ppf(1 - ALPHA / 2, degrees) + t.ppf(POWER, degrees)) * error)
