"""Statistics that no sample has alone: of truth and answers of many.

Each is computed for many weightings of the same samples at once, so that contexts can be drawn again
thousands of times; unweighted they are scikit-learn's of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.stats.intervals import FEW, Estimate, Interval
from harness.stats.paired import MARGIN, Comparison, judge
from harness.stats.resampling import DRAWS, SEED, Array, Labels, codes

Truth = NDArray[np.int64]
CHUNK = 1000  # weightings at once


class Found(NamedTuple):
    """Unknown is None, with a reason."""

    value: float | None
    reason: str | None = None


def together(name: str, columns: Sequence[Array]) -> Found:
    """`columns` are the truth and what was answered, a row a sample."""
    if name not in STATISTICS:
        return Found(None, f"{name} is not among the statistics {', '.join(STATISTICS)}")
    if not len(columns[0]):
        return Found(None, "no sample has a score")
    if any(np.isnan(column).any() for column in columns):
        return Found(None, f"{name} needs every sample of a group, and one has no score")
    truth = columns[0].astype(np.int64)
    value = float(STATISTICS[name](truth, np.column_stack(columns[1:]), np.ones((1, len(truth))))[0])
    if np.isnan(value):
        return Found(None, f"{name} needs samples of every class, a group has those of {len(set(truth.tolist()))}")
    return Found(value)


# Each gets truth [samples], answers [samples, columns] and weights [weightings, samples]; NaN is unknown.


def auroc(truth: Truth, scores: Array, weights: Array) -> Array:
    """Of one or two columns of scores, that of class 1; of one a class, the macro mean of each against the rest."""
    if scores.shape[1] <= 2:
        return _auroc(truth == 1, scores[:, -1], weights)
    return np.asarray(np.mean([_auroc(truth == one, scores[:, one], weights) for one in range(scores.shape[1])], 0))


def _auroc(positive: NDArray[np.bool_], scores: Array, weights: Array) -> Array:
    _, group = np.unique(scores, return_inverse=True)
    groups = np.eye(int(group.max()) + 1)[group]
    above, below = (weights * positive) @ groups, (weights * ~positive) @ groups
    pairs = above.sum(1) * below.sum(1)
    ordered = (above * (below.cumsum(1) - below / 2)).sum(1)
    return np.asarray(np.divide(ordered, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


def _confusion(truth: Truth, told: Array, weights: Array) -> Array:
    """[weightings, truth, told]; the answers are class numbers."""
    classes = int(max(truth.max(), told.max())) + 1
    cells = np.eye(classes * classes)[truth * classes + told[:, 0].astype(np.int64)]
    return np.asarray((weights @ cells).reshape(-1, classes, classes))


def balanced_accuracy(truth: Truth, told: Array, weights: Array) -> Array:
    table = _confusion(truth, told, weights)
    held = table.sum(2)
    with np.errstate(invalid="ignore"):
        recalls = np.einsum("bcc->bc", table) / held
    missing = (held[:, np.unique(truth)] == 0).any(1)
    return np.asarray(np.where(missing, np.nan, np.nanmean(recalls[:, np.unique(truth)], axis=1)))


def macro_f1(truth: Truth, told: Array, weights: Array) -> Array:
    """Over the classes that occur, in truth or answers."""
    table = _confusion(truth, told, weights)
    sizes = table.sum(1) + table.sum(2)
    occurs = sizes > 0
    scores = np.divide(2 * np.einsum("bcc->bc", table), sizes, out=np.zeros_like(sizes), where=occurs)
    return np.asarray(scores.sum(1) / occurs.sum(1))


def quadratic_kappa(truth: Truth, told: Array, weights: Array) -> Array:
    table = _confusion(truth, told, weights)
    places = np.arange(table.shape[1])
    apart = (places[:, None] - places) ** 2
    expected = table.sum(2)[:, :, None] * table.sum(1)[:, None, :] / table.sum((1, 2))[:, None, None]
    chance = (apart * expected).sum((1, 2))
    seen = (apart * table).sum((1, 2))
    return np.asarray(1 - np.divide(seen, chance, out=np.full(len(chance), np.nan), where=chance > 0))


BINS = 15


def ece(truth: Truth, told: Array, weights: Array) -> Array:
    """Expected calibration error (Guo et al., arXiv:1706.04599), from whether each answer was right and how sure."""
    right, confidence = told.T
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = (right - confidence)[:, None] * np.eye(BINS)[bins]
    return np.asarray(np.abs(weights @ gaps).sum(1) / weights.sum(1))


STATISTICS: Mapping[str, Callable[[Truth, Array, Array], Array]] = {
    "auroc": auroc,
    "ece": ece,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "quadratic_kappa": quadratic_kappa,
}


# Within strata, drawn again by cluster: a patient with all slides.


@dataclass(frozen=True)
class Grouped:
    """Truth and one or two arms' answers to the same samples."""

    name: str
    truth: Truth
    answers: tuple[Array, ...]  # of each arm, [samples, columns]
    strata: NDArray[np.intp]
    units: NDArray[np.intp]

    def values(self, weights: Sequence[Array]) -> Array:
        """Mean over strata, for each weighting; `weights` has [weightings, samples] for each arm's answers."""
        truth, answers = np.tile(self.truth, len(self.answers)), np.concatenate(self.answers)
        both, strata = np.hstack(weights), np.tile(self.strata, len(self.answers))
        found = [
            STATISTICS[self.name](truth[mine], answers[mine], both[:, mine])
            for mine in (strata == one for one in np.unique(strata))
        ]
        return np.asarray(np.mean(found, axis=0))

    @property
    def count(self) -> int:
        return int(self.units.max()) + 1


def grouped(
    name: str,
    truth: Array,
    answers: Sequence[Array],
    strata: Labels,
    clusters: Labels,
) -> Grouped:
    units = codes(clusters, none_stands_alone=True)
    return Grouped(name, truth.astype(np.int64), tuple(answers), codes(strata), units)


def estimate(of: Grouped, level: float = 0.95, seed: int = SEED) -> Estimate:
    """One arm's value, with the percentiles of what clusters drawn again give."""
    n = len(of.truth)
    value = float(of.values([np.ones((1, n))])[0])
    if np.isnan(value):
        return Estimate(None, None, n, f"{of.name} needs samples of every class in every group")
    if of.count < FEW:
        return Estimate(value, None, n, f"fewer than {FEW} contexts show no spread")
    drawn = _draws(lambda random, rows: of.values([_again(of, random, rows)]), seed)
    return Estimate(value, _ends(drawn, level), n)


def compare(
    of: Grouped, *, higher_is_better: bool | None = True, margin: float = MARGIN, seed: int = SEED
) -> Comparison:
    """The second arm minus the first: clusters drawn again for the interval, arms swapped within them for p."""
    n = len(of.truth)
    ones, none = np.ones((1, n)), np.zeros((1, n))
    before, after = (float(of.values(one)[0]) for one in ([ones, none], [none, ones]))
    unlike = (of.answers[0] != of.answers[1]).any(1)
    units = len(np.unique(of.units[unlike]))
    if np.isnan(before) or np.isnan(after):
        reason = f"{of.name} needs samples of every class in every group"
        return Comparison(None, None, None, n, int(unlike.sum()), None, "undecided", reason)

    def differences(random: np.random.Generator, rows: int) -> Array:
        weights = _again(of, random, rows)
        zeros = np.zeros_like(weights)
        return of.values([zeros, weights]) - of.values([weights, zeros])

    def swapped(random: np.random.Generator, rows: int) -> Array:
        keep = random.integers(2, size=(rows, of.count))[:, of.units].astype(np.float64)
        return of.values([1 - keep, keep]) - of.values([keep, 1 - keep])

    drawn, chance = _draws(differences, seed), _draws(swapped, seed)
    p = (float(np.sum(np.abs(chance) >= abs(after - before) - 1e-12)) + 1) / (len(chance) + 1)
    found = Comparison(
        delta=after - before,
        interval=_ends(drawn, 0.95),
        p=p,
        n=n,
        differing=int(unlike.sum()),
        mde=2.8016 * float(np.std(drawn)) if len(drawn) else None,  # z of 0.975 plus z of 0.8
        outcome="undecided",
        reason="",
        test="arms swapped within contexts, bootstrap over contexts, the statistic computed anew each time",
    )
    if units < FEW:
        return replace(
            found, interval=None, mde=None, reason=f"fewer than {FEW} contexts differ, which shows no spread"
        )
    return judge(found, units, margin * abs(before), higher_is_better)


def _again(of: Grouped, random: np.random.Generator, rows: int) -> Array:
    """How often each sample comes when its cluster is drawn with replacement."""
    drawn = random.multinomial(of.count, np.full(of.count, 1 / of.count), size=rows)
    return np.asarray(drawn[:, of.units], np.float64)


def _draws(make: Callable[[np.random.Generator, int], Array], seed: int) -> Array:
    """Known values of DRAWS draws: one in which a class is missing is left out."""
    random = np.random.default_rng(seed)
    values = np.concatenate([make(random, CHUNK) for _ in range(DRAWS // CHUNK)])
    return np.asarray(values[~np.isnan(values)])


def _ends(drawn: Array, level: float) -> Interval | None:
    if len(drawn) < DRAWS / 2:
        return None  # most draws miss a class
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high))
