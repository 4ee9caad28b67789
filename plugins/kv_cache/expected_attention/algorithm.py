"""Expected attention's scores (arXiv:2510.00636, section 3)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Of the queries of each query head, as a Gaussian."""

    mean: Tensor  # [query heads, size]
    covariance: Tensor  # [query heads, size, size]


def moments(queries: Tensor) -> Moments:
    """Of unrotated queries [query heads, tokens, size]."""
    mean = queries.mean(dim=1)
    centred = queries - mean.unsqueeze(1)
    return Moments(mean, centred.transpose(1, 2) @ centred / queries.shape[1])


def scores(
    mean: Tensor, covariance: Tensor | None, keys: Tensor, values: Tensor | None, scaling: float, epsilon: float
) -> Tensor:
    """The attention that Gaussian queries are expected to pay to each token, [heads, tokens].

    E[exp(s·q·k)] = exp(s·k·μ + s²·kᵀΣk / 2), made to sum to 1 over tokens, averaged over the query heads of a
    group, and weighed by the norm of what the token would add.

    Args:
        mean: of rotated queries, [query heads, size].
        covariance: of rotated queries, [query heads, size, size]; None leaves its term out.
        keys: rotated, [heads, tokens, size].
        values: [heads, tokens, size]; None leaves their norm out.
        scaling: s, what the model multiplies products by.
        epsilon: added to the attention before it meets the norm.
    """
    heads = keys.shape[0]
    grouped = keys.float().unsqueeze(1)  # [heads, 1, tokens, size]
    logits = (grouped @ mean.view(heads, -1, mean.shape[-1], 1)).squeeze(-1) * scaling
    if covariance is not None:
        spread = grouped @ covariance.view(heads, -1, *covariance.shape[1:])
        logits = logits + (spread * grouped).sum(dim=-1) * scaling**2 / 2
    attention = logits.softmax(dim=-1).mean(dim=1)
    return attention if values is None else (attention + epsilon) * values.float().norm(dim=-1)


def protected(scores: Tensor, sinks: int) -> Tensor:
    """Scores with the first `sinks` tokens, [heads, sinks + tokens], which get the highest."""
    return torch.cat([scores.new_full((len(scores), sinks), float(scores.max()) + 1), scores], dim=-1)
