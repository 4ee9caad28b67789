"""Resampling that respects how samples were drawn: contexts (clusters) within subtasks (strata).

Every statistic here is a weighted mean, Σ wᵢ vᵢ. Its weights make it the macro mean over strata,
wᵢ = 1 / (strata × samples in i's stratum), or in proportion to given weights within each stratum.
What is drawn again is a *unit*: all samples that share a context, or one sample where nothing is
shared. Units are drawn within *blocks*, usually the strata.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
Labels = Sequence[Hashable] | NDArray[np.int64]  # an array of integers is fast; a negative one is None

DRAWS = 10_000
SEED = 20_261_101  # of every resampling; stored with what it gave
CHUNK = 250_000  # numbers drawn at once
FEW_VALUES = 8  # where values repeat so often on average, they are counted instead of drawn


@dataclass(frozen=True)
class Design:
    """How samples weigh and hang together."""

    weights: Array  # of each sample; they sum to 1
    units: Codes  # the unit of each sample
    blocks: Codes  # the block of each unit

    @property
    def masses(self) -> Array:
        """Weight of each unit."""
        return _sum_units(self.weights, self)

    @property
    def effective_units(self) -> float:
        """Kish's effective number of units, 1 / Σ mass²; their plain number where all weigh the same."""
        return float(1.0 / np.sum(self.masses**2))

    @property
    def plain(self) -> bool:
        """Every sample stands alone and all weigh the same."""
        return len(self.blocks) == len(self.weights) and bool(np.allclose(self.weights, self.weights[0]))


def design(
    count: int,
    strata: Labels | None = None,
    clusters: Labels | None = None,
    weights: Array | None = None,
) -> Design:
    """The design of `count` samples; a cluster that is None or NaN stands alone.

    With `weights` a stratum's mean is Σ wᵢ vᵢ / Σ wᵢ, a ratio of sums: its linear form is that of `split`.
    """
    stratum = np.zeros(count, np.intp) if strata is None else codes(strata)
    units = np.arange(count, dtype=np.intp) if clusters is None else codes(clusters, none_stands_alone=True)
    given = np.ones(count) if weights is None else weights
    sizes = np.bincount(stratum, given)
    return Design(given / (len(sizes) * sizes[stratum]), units, _merge_lone(_blocks(stratum, units)))


def codes(labels: Labels, none_stands_alone: bool = False) -> Codes:
    """Numbers of labels, in the order in which these first come."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind == "i":
        alone = -1 - np.arange(len(labels))
        return _number(np.where(labels < 0, alone, labels) if none_stands_alone else labels)
    seen: dict[Hashable, int] = {}
    keys = (("alone", i) if none_stands_alone and (x is None or x != x) else x for i, x in enumerate(labels))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.intp)


def _number(integers: NDArray[np.int64]) -> Codes:
    _, first, places = np.unique(integers, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.intp)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[places]


def _blocks(stratum: Codes, units: Codes) -> Codes:
    """Units that touch the same strata share a block: where contexts lie within strata, the strata."""
    width = int(stratum.max(initial=0)) + 1
    unit, one = np.divmod(np.unique(units * width + stratum), width)
    if len(unit) == int(units.max(initial=-1)) + 1:
        return _number(one)  # each touches one
    touched: list[set[int]] = [set() for _ in range(int(unit[-1]) + 1)]
    for number, which in zip(unit.tolist(), one.tolist(), strict=True):
        touched[number].add(which)
    return codes([frozenset(strata) for strata in touched])


def _merge_lone(blocks: Codes) -> Codes:
    """One unit shows no spread: lone ones form a block together, a last one joins the smallest other."""
    sizes = np.bincount(blocks)
    lone = sizes[blocks] == 1
    merged = np.where(lone, len(sizes), blocks)
    if lone.sum() == 1 and len(blocks) > 1:
        merged[lone] = np.argmin(np.where(sizes == 1, len(blocks) + 1, sizes))
    return np.unique(merged, return_inverse=True)[1].astype(np.intp)


def _sum_units(values: Array, of: Design) -> Array:
    return np.asarray(np.bincount(of.units, values), np.float64)


def weighted_mean(values: Array, of: Design) -> float:
    alike = bool((of.weights == of.weights[0]).all())
    return float(values.mean() if alike else values @ of.weights)


@dataclass(frozen=True)
class Block:
    """What the units of one block add to the mean, each less its share of the block's."""

    influence: Array

    @property
    def inflation(self) -> float:
        """√(m/(m−1)): m units drawn again spread that much less than what they were drawn from (Rao and Wu 1988)."""
        return float(np.sqrt(len(self.influence) / (len(self.influence) - 1)))

    @property
    def variance(self) -> float:
        return float(self.inflation**2 * np.sum(self.influence**2))


def split(values: Array, of: Design) -> list[Block]:
    """Influence of each unit, e = Σ w v − (block's mean) × mass: the mean's linear form, block by block."""
    sums, masses = _sum_units(of.weights * values, of), of.masses
    means = np.bincount(of.blocks, sums) / np.bincount(of.blocks, masses)
    influence = sums - means[of.blocks] * masses
    return [Block(influence[of.blocks == block]) for block in range(len(means))]


def standard_error(values: Array, of: Design) -> float:
    return float(np.sqrt(sum(block.variance for block in split(values, of))))


def degrees_of_freedom(blocks: Sequence[Block]) -> float:
    """Satterthwaite's: (Σ V)² / Σ V²/(m−1) over blocks; infinite where nothing varies."""
    total = sum(block.variance for block in blocks)
    parts = sum(block.variance**2 / (len(block.influence) - 1) for block in blocks)
    return float("inf") if parts == 0.0 else total**2 / parts


def draw_means(values: Array, of: Design, seed: int = SEED) -> Array:
    """`DRAWS` bootstrap means: in each block, as many units as it has, with replacement."""
    random = np.random.default_rng(seed)
    drawn = np.full(DRAWS, weighted_mean(values, of))
    for block in split(values, of):
        drawn += block.inflation * _draw_sums(block.influence, random)
    return drawn


def _draw_sums(influence: Array, random: np.random.Generator) -> Array:
    """Sums of as many draws as there are values; values that repeat are drawn by how often they come."""
    values, counts = np.unique(influence, return_counts=True)
    if len(values) * FEW_VALUES <= len(influence):
        return np.asarray(random.multinomial(len(influence), counts / len(influence), size=DRAWS) @ values, np.float64)
    n = len(influence)
    return _by_chunk(n, lambda rows: influence.take(random.integers(n, size=(rows, n), dtype=np.int32)).sum(axis=1))


def _by_chunk(width: int, draw: Callable[[int], Array]) -> Array:
    """`DRAWS` results, made so many at a time that their `width` numbers each stay in fast memory."""
    rows = max(1, CHUNK // width)
    return np.concatenate([draw(min(rows, DRAWS - start)) for start in range(0, DRAWS, rows)])


def bootstrap_ends(values: Array, of: Design, level: float = 0.95, seed: int = SEED) -> tuple[float, float]:
    """Percentile interval, expanded for few units (Hesterberg 2015, The American Statistician 69:371).

    The percentiles are Φ(±t) instead of Φ(±z), t with Satterthwaite's degrees of freedom. Needs two units.
    """
    from scipy.stats import norm, t

    quantile = t.ppf(0.5 + level / 2, degrees_of_freedom(split(values, of)))
    low, high = np.quantile(draw_means(values, of, seed), [norm.cdf(-quantile), norm.cdf(quantile)])
    return float(low), float(high)


def sign_flip(differences: Array, of: Design, seed: int = SEED) -> float:
    """Two-sided p of a weighted mean of 0, by swapping the arms within whole units.

    All 2^k swaps of the k units that differ where they are at most `DRAWS`, else a random sample of
    them, counting the one observed. With one weight and differences of ±1 it is McNemar's exact test.
    """
    sums = _sum_units(of.weights * differences, of)
    sums = sums[np.abs(sums) > 1e-12]
    if len(sums) == 0:
        return 1.0
    exact = 2 ** len(sums) <= DRAWS
    flipped = np.abs(_all_sums(sums) if exact else _random_sums(sums, np.random.default_rng(seed)))
    extreme = int(np.sum(flipped >= abs(sums.sum()) - 1e-12))
    return extreme / len(flipped) if exact else (extreme + 1) / (len(flipped) + 1)


def _all_sums(sums: Array) -> Array:
    signs = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
    return np.asarray((2 * signs - 1) @ sums, np.float64)


def _random_sums(sums: Array, random: np.random.Generator) -> Array:
    """Sums with signs at random; of c sums of one size, Binomial(c, ½) keep theirs."""
    sizes, counts = np.unique(np.abs(sums), return_counts=True)
    if len(sizes) * FEW_VALUES <= len(sums):
        kept = random.binomial(counts, 0.5, size=(DRAWS, len(counts)))
        return np.asarray((2 * kept - counts) @ sizes, np.float64)
    return _by_chunk(
        len(sums), lambda rows: (2.0 * random.integers(2, size=(rows, len(sums)), dtype=np.int8) - 1) @ sums
    )


# Timed samples, within processes.


def draw_hierarchical(processes: Sequence[Array], seed: int = SEED) -> Array:
    """Means over processes, drawn with replacement, of the medians of their samples, drawn with replacement.

    Each process is sorted.
    """
    low, high = _middle_places(tuple(map(len, processes)), seed)
    values = np.concatenate(processes)
    return np.asarray(((values[low] + values[high]) / 2).mean(axis=1))


@lru_cache(maxsize=2)
def _middle_places(sizes: tuple[int, ...], seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where the two middle values of each process of each draw stand: it takes their sizes alone to draw.

    Many rows and readings of a study have the same sizes.
    """
    random = np.random.default_rng(seed)
    chosen = random.integers(len(sizes), size=(DRAWS, len(sizes)))
    order = np.argsort(chosen, axis=None, kind="stable")
    low, high = np.empty(chosen.size, np.int32), np.empty(chosen.size, np.int32)
    before, begin = 0, 0
    for size, count in zip(sizes, np.bincount(chosen.ravel(), minlength=len(sizes)).tolist(), strict=True):
        drawn = order[begin : begin + count]
        found = draw_middles(size, count, random)
        low[drawn], high[drawn] = before + found[0], before + found[1]
        before, begin = before + size, begin + count
    return low.reshape(chosen.shape), high.reshape(chosen.shape)


def draw_medians(ordered: Array, count: int, random: np.random.Generator) -> Array:
    """Medians of `count` resamples of sorted values."""
    low, high = draw_middles(len(ordered), count, random)
    return np.asarray((ordered[low] + ordered[high]) / 2)


def draw_middles(n: int, count: int, random: np.random.Generator) -> tuple[Codes, Codes]:
    """Which of n sorted values are the two in the middle of `count` resamples, without drawing the resamples.

    The k-th smallest of n draws from n values is value ⌊n U⌋, U being the k-th smallest of n uniforms,
    which is Beta(k, n−k+1); the one below it is U V^(1/(k−1)) with V uniform.
    """
    upper = n // 2 + 1
    high = random.beta(upper, n - upper + 1, size=count)
    low = high * random.random(count) ** (1 / (upper - 1)) if n % 2 == 0 else high
    return _place(low, n), _place(high, n)


def _place(uniform: Array, n: int) -> Codes:
    return np.minimum((uniform * n).astype(np.intp), n - 1)
