"""Which points no other point beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def frontier(points: ArrayLike, higher_is_better: Sequence[bool]) -> NDArray[np.bool_]:
    """Mask, shape [points], of the Pareto frontier; `points` has shape [points, directions].

    A point is off it when another is at least as good in every direction and better in one. Equal
    points stay together; a point with an unknown (NaN) coordinate is never on it.
    """
    good = np.asarray(points, np.float64).reshape(-1, len(higher_is_better))
    good = np.where(np.asarray(higher_is_better), good, -good)
    on: NDArray[np.bool_] = np.asarray(~np.isnan(good).any(axis=1))
    for index in np.flatnonzero(on):
        rivals = good[on]
        beaten = (rivals >= good[index]).all(axis=1) & (rivals > good[index]).any(axis=1)
        on[index] = not beaten.any()
    return on
