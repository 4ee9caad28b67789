"""Intervals of one arm: shares, means, medians, high percentiles. All are 95 % unless asked otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.resampling import (
    SEED,
    Array,
    Design,
    Labels,
    bootstrap_ends,
    design,
    draw_hierarchical,
    weighted_mean,
)

FEW = 6  # fewer units than this that differ decide nothing: 2 × 0.5⁵ > 0.05


class Interval(NamedTuple):
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def excludes(self, value: float) -> bool:
        return not self.low <= value <= self.high

    def within(self, margin: float) -> bool:
        return -margin <= self.low and self.high <= margin

    def clip(self, low: float, high: float) -> Interval:
        return Interval(max(low, self.low), min(high, self.high))

    def hull(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), max(self.high, other.high))


class Estimate(NamedTuple):
    """A value with its interval. Unknown is None, with a reason."""

    value: float | None
    interval: Interval | None
    n: int
    reason: str | None = None


class Quantile(NamedTuple):
    """A high percentile. Unknown is None, with a reason."""

    value: float | None
    n: int
    reason: str | None = None


def share(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high))


def share_at_most(successes: float, n: float, confidence: float = 0.975) -> float:
    """Clopper and Pearson's exact upper bound of a proportion, B(confidence; k+1, n−k); k and n may be effective."""
    from scipy.stats import beta

    return 1.0 if successes >= n else float(beta.ppf(confidence, successes + 1, n - successes))


def is_binary(*arrays: Array) -> bool:
    return all(bool(np.isin(values, (0.0, 1.0)).all()) for values in arrays)


def span(*arrays: Array) -> float:
    """The largest difference two scores can have: 1 for scores in [0, 1], else what was seen of it."""
    values = np.concatenate(arrays)
    return max(1.0, float(values.max() - values.min()))


def mean(
    values: ArrayLike,
    strata: Labels | None = None,
    clusters: Labels | None = None,
    *,
    weights: ArrayLike | None = None,
    shares: bool = True,
    level: float = 0.95,
    seed: int = SEED,
) -> Estimate:
    """Macro mean over strata (plain mean without), weighted within them where weights are given, with its interval.

    Zeros and ones that stand alone and weigh the same have Wilson's interval, which for equal strata
    is no narrower than a stratified one. Everything else has the stratified bootstrap over clusters,
    widened where nearly all clusters share one value. NaN is left out. Without `shares` a one is no success.
    """
    array = np.asarray(values, np.float64)
    known = ~np.isnan(array)
    array = array[known]
    if len(array) == 0:
        return Estimate(None, None, 0, "no sample has a score")
    of = design(len(array), keep(strata, known), keep(clusters, known), kept_weights(weights, known))
    value = weighted_mean(array, of)
    if shares and of.plain and is_binary(array):
        return Estimate(value, share(int(array.sum()), len(array), level), len(array))
    if len(of.blocks) < 2:
        return Estimate(value, None, len(array), "one context shows no spread")
    interval = Interval(*bootstrap_ends(array, of, level, seed))
    commonest = float(np.median(array))
    if differing_units(array - commonest, of).mean() < 0.5:
        interval = widen(interval, array - commonest, of, span(array), commonest)
    return Estimate(value, interval.clip(0.0, 1.0) if is_binary(array) else interval, len(array))


def macro_mean(values: ArrayLike, strata: Labels | None = None, *, weights: ArrayLike | None = None) -> float | None:
    """`mean` without its interval; None where no sample has a score."""
    array = np.asarray(values, np.float64)
    known = ~np.isnan(array)
    if not known.any():
        return None
    of = design(int(known.sum()), keep(strata, known), weights=kept_weights(weights, known))
    return weighted_mean(array[known], of)


def keep(labels: Labels | None, known: np.ndarray) -> Labels | None:
    """Labels of the samples that are known."""
    if labels is None or isinstance(labels, np.ndarray):
        return None if labels is None else labels[known]
    return [label for label, kept in zip(labels, known, strict=True) if kept]


def kept_weights(weights: ArrayLike | None, known: np.ndarray) -> Array | None:
    return None if weights is None else np.asarray(weights, np.float64)[known]


def differing_units(differences: Array, of: Design) -> np.ndarray:
    """Which units hold a sample that differs."""
    return np.bincount(of.units, np.abs(differences) > 1e-12) > 0


def widen(interval: Interval, differences: Array, of: Design, largest: float, center: float = 0.0) -> Interval:
    """Where fewer than six units differ a bootstrap sees too little: [0, 0] where none does.

    The mean difference is at most (share of units that differ) × (largest difference), and the share
    at most Clopper and Pearson's bound, so the interval is made to hold `center` ± bound × largest.
    """
    differ = differing_units(differences, of)
    if differ.sum() >= FEW:
        return interval
    n = of.effective_units
    bound = share_at_most(float(of.masses[differ].sum()) * n, n) * largest
    return interval.hull(Interval(center - bound, center + bound))


# Medians of timed samples, grouped by process.


def median(groups: Sequence[ArrayLike], *, level: float = 0.95, seed: int = SEED) -> Estimate:
    """Median of each process, averaged over processes, with a hierarchical bootstrap (process, then sample).

    Three processes have only ten distinct resamples and would give far too narrow an interval, so it
    is widened to Student's over the processes' medians. One process: the spread within it alone.
    """
    arrays = filled(groups)
    n = sum(map(len, arrays))
    if n == 0:
        return Estimate(None, None, 0, "no reading")
    medians = np.array([np.median(values) for values in arrays])
    if n == 1:
        return Estimate(float(medians[0]), None, 1, "one reading shows no spread")
    drawn = draw_hierarchical([np.sort(values) for values in arrays], seed)
    return Estimate(float(medians.mean()), ends(drawn, medians, level), n)


def filled(groups: Sequence[ArrayLike]) -> list[Array]:
    """The groups' known values; groups without any are left out."""
    arrays = [np.asarray(group, np.float64) for group in groups]
    return [kept for array in arrays if len(kept := array[~np.isnan(array)])]


def ends(drawn: Array, by_process: Array, level: float = 0.95) -> Interval:
    """Percentiles of the draws, widened to Student's interval over processes where there are several."""
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    interval = Interval(float(low), float(high))
    return interval if len(by_process) < 2 else interval.hull(student(by_process, level))


def student(values: Array, level: float = 0.95) -> Interval:
    """Mean ± t × s/√n."""
    from scipy.stats import t

    half = float(t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(float(values.mean()) - half, float(values.mean()) + half)


# The least n at which the largest of n samples lies above the percentile with 95 % confidence is 59 and
# 299 (0.95⁵⁹ < 0.05); the strict numbers leave room for an interval.
NEEDED = {95: (59, 130), 99: (299, 662)}


def percentile(values: ArrayLike, q: int, *, strict: bool = False) -> Quantile:
    """The 95th or 99th percentile, where there are samples enough to have seen it."""
    (array,) = filled([values]) or [np.empty(0)]
    needed = NEEDED[q][strict]
    if len(array) < needed:
        return Quantile(None, len(array), f"p{q} needs {needed} samples, there are {len(array)}")
    return Quantile(float(np.percentile(array, q)), len(array))
