"""Two arms timed in one interleaved session: the change of a duration, and whether it may be called one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, log1p

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.intervals import Interval, ends
from harness.stats.resampling import SEED, Array, draw_hierarchical

THRESHOLD = 0.05
POWER = 0.8
SURE = 0.9
ONE_PROCESS = "one process an arm: shown, not called"


@dataclass(frozen=True)
class LatencyComparison:
    """Candidate over baseline, less one. `outcome` is None where nothing may be called."""

    change: float | None
    interval: Interval | None
    processes: int  # pairs of them
    outcome: str | None  # better worse equivalent undecided
    reason: str

    @property
    def half_width(self) -> float | None:
        """Of the interval of the log ratio: about that of the change, and alike for a gain and a loss."""
        return None if self.interval is None else (log1p(self.interval.high) - log1p(self.interval.low)) / 2

    @property
    def is_called(self) -> bool:
        return self.outcome in ("better", "worse")


def compare_latency(
    baseline: Sequence[ArrayLike],
    candidate: Sequence[ArrayLike],
    *,
    threshold: float = THRESHOLD,
    higher_is_better: bool = False,
    seed: int = SEED,
) -> LatencyComparison:
    """Compares arms process by process and sample by sample: both are paired by their place.

    The i-th process of each arm ran side by side, so slow drift cancels; the j-th sample of each is the
    same request, so unequal requests do. The change is exp(mean over processes of the median over samples
    of log(candidate / baseline)) − 1. Its interval is a hierarchical bootstrap (process, then sample),
    widened to Student's over the processes: with three of them the bootstrap alone would exclude 0 in one
    A/A session of four. An outcome needs the interval to exclude 0 and the change to reach `threshold`.

    Raises:
        ValueError: the arms have different numbers of processes, which can't be paired.
    """
    pairs = [_log_ratios(before, after) for before, after in zip(baseline, candidate, strict=True)]
    logs = [np.sort(one) for one in pairs if len(one)]
    if not logs:
        return LatencyComparison(None, None, 0, None, "no readings to pair")
    if not all(np.isfinite(one).all() for one in logs):
        return LatencyComparison(None, None, len(logs), None, "a reading is not positive: no ratio")
    medians = np.array([np.median(one) for one in logs])
    change = float(np.expm1(medians.mean()))
    if len(logs) == 1:
        return LatencyComparison(change, None, 1, None, ONE_PROCESS)
    found = ends(draw_hierarchical(logs, seed), medians)
    interval = Interval(float(np.expm1(found.low)), float(np.expm1(found.high)))
    outcome, reason = _judge(change, interval, threshold, higher_is_better)
    return LatencyComparison(change, interval, len(logs), outcome, reason)


def _log_ratios(baseline: ArrayLike, candidate: ArrayLike) -> Array:
    """Of samples both have and know; infinite where a reading is not positive."""
    before, after = np.asarray(baseline, np.float64), np.asarray(candidate, np.float64)
    shared = min(len(before), len(after))
    both = np.stack([before[:shared], after[:shared]])
    both = both[:, ~np.isnan(both).any(axis=0)]
    if (both <= 0).any():
        return np.full(both.shape[1], np.inf)
    return np.asarray(np.log(both[1] / both[0]))


def _judge(change: float, interval: Interval, threshold: float, higher_is_better: bool) -> tuple[str, str]:
    if interval.within(threshold):
        return "equivalent", f"the whole interval lies within ±{threshold:.0%}"
    if not interval.excludes(0.0):
        return "undecided", "the interval holds 0"
    if abs(change) < threshold:
        return "undecided", f"the change is below {threshold:.0%}"
    better = (change > 0) == higher_is_better
    return ("better" if better else "worse"), "the interval excludes 0"


def smallest_difference(same: Sequence[LatencyComparison], threshold: float = THRESHOLD) -> float | None:
    """The smallest slow-down that 80 of 100 sessions would call, from sessions that timed one arm twice.

    Where H is the half-width of the log ratio's interval (root mean square over sessions) and S = H / t its
    standard error, an estimate exceeds both H and `threshold` four times in five when the truth lies t₀.₈ × S
    beyond them. Few sessions may have seen too little noise by chance: both are raised to their upper bound
    (90 %, χ²). None where no session has an interval.
    """
    from scipy.stats import chi2, t

    known = [one for one in same if one.half_width is not None]
    if not known:
        return None
    squares = np.array([(one.half_width or 0.0) ** 2 for one in known])
    freedoms = np.array([one.processes - 1 for one in known])
    unseen = float(np.sqrt(freedoms.sum() / chi2.ppf(1 - SURE, freedoms.sum())))
    error = unseen * float(np.sqrt(np.mean(squares / t.ppf(0.975, freedoms) ** 2)))
    least = max(unseen * float(np.sqrt(squares.mean())), log1p(threshold))
    return expm1(least + float(t.ppf(POWER, freedoms.min())) * error)
