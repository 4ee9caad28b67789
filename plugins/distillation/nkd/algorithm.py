"""Losses of logits. Student's s and teacher's t are [images, classes]; labels y are [images]."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def kd(s: torch.Tensor, t: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · KL(softmax(t/T) ‖ softmax(s/T)), of the batch's mean."""
    return temperature**2 * F.kl_div(
        F.log_softmax(s / temperature, 1), F.log_softmax(t / temperature, 1), reduction="batchmean", log_target=True
    )


def target(s: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """−q_y log p_y: the teacher's trust in the right class weighs the student's."""
    return -(of_label(t.softmax(1), labels) * of_label(s.log_softmax(1), labels)).mean()


def non_target(s: torch.Tensor, t: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · cross-entropy over the other classes, renormalised so that both sides sum to 1."""
    wanted = (others(t, labels) / temperature).softmax(1)
    return -(temperature**2) * (wanted * (others(s, labels) / temperature).log_softmax(1)).sum(1).mean()


def soft_target(s: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """USKD's label for the right class, [images]: p_y² + 1 − the batch's mean of p_y²; no gradient."""
    with torch.no_grad():
        squares = of_label(s.softmax(1), labels) ** 2
        return squares + 1 - squares.mean()


def zipf_labels(s: torch.Tensor, weak: torch.Tensor, labels: torch.Tensor, ranking: str = "paper") -> torch.Tensor:
    """USKD's labels of the other classes, [images, classes − 1], summing to 1; no gradient.

    Classes are ranked by the weak head and the student together, the r-th weighs 1/r, the right one is left out.
    `code` ranks by the student's log-probabilities, as the authors' released code does.
    """
    with torch.no_grad():
        first, second = weak.softmax(1), s.softmax(1) if ranking == "paper" else s.log_softmax(1)
        score = sum(one / (1 - of_label(one, labels)[:, None] + 1e-6) for one in (first, second))
        ranks = score.argsort(1, descending=True).argsort(1) + 1  # type: ignore[union-attr]
        kept = others((1.0 / ranks).to(s.dtype), labels)
        return kept / kept.sum(1, keepdim=True)


def towards(s: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the student's other classes, renormalised, with what is wanted of them."""
    return -(wanted * others(s, labels).log_softmax(1)).sum(1).mean()


def of_label(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return values.gather(1, labels[:, None])[:, 0]


def others(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Without the column of the label: [images, classes − 1]."""
    n, classes = values.shape
    kept = F.one_hot(labels, classes) == 0
    return values[kept].reshape(n, classes - 1)
