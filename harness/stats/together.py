"""Statistics that no sample has alone: of truth and answers of many, through scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
    return STATISTICS[name](columns[0].astype(np.int64), np.column_stack(columns[1:]))


def auroc(truth: NDArray[np.int64], scores: Array) -> Found:
    """Of one column of scores, that of class 1; of one a class, the macro mean of each against the rest."""
    from sklearn.metrics import roc_auc_score

    classes = 2 if scores.shape[1] == 1 else scores.shape[1]
    present = set(truth.tolist())
    if present != set(range(classes)):
        return Found(None, f"AUROC needs samples of all {classes} classes, a group has those of {len(present)}")
    if scores.shape[1] <= 2:
        return Found(float(roc_auc_score(truth, scores[:, -1])))
    ones = [float(roc_auc_score(truth == one, scores[:, one])) for one in range(classes)]
    return Found(float(np.mean(ones)))


STATISTICS: Mapping[str, Callable[[NDArray[np.int64], Array], Found]] = {"auroc": auroc}
