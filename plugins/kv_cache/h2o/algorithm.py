"""H2O's choice of rows (arXiv:2306.14048, section 4)."""

import torch
from torch import Tensor

from harness_plugins.subjects.causal_lm.weights import attention_weights

BLOCK = 256  # queries whose attention is computed at once


def received(queries: Tensor, keys: Tensor, scaling: float) -> Tensor:
    """The attention each token receives, summed over queries and over the query heads of a group, [heads, tokens].

    Args:
        queries: rotated, of the last tokens, [query heads, last, size].
        keys: rotated, [heads, tokens, size].
        scaling: what the model multiplies their products by.
    """
    before = keys.shape[1] - queries.shape[1]
    total = torch.zeros(keys.shape[:2], device=keys.device)
    for start in range(0, queries.shape[1], BLOCK):
        block = queries[:, start : start + BLOCK]
        end = before + start + block.shape[1]
        total[:, :end] += attention_weights(block, keys[:, :end], scaling).sum(dim=(1, 2))
    return total


def kept_rows(scores: Tensor, kept: int, recent: int) -> Tensor:
    """The last `recent` rows, and of those before them the ones with the highest scores, ascending, [heads, kept]."""
    heads, rows = scores.shape
    heavy = scores[:, : rows - recent].topk(kept - recent, dim=-1).indices.sort(dim=-1).values
    return torch.cat([heavy, torch.arange(rows - recent, rows, device=scores.device).expand(heads, -1)], dim=-1)
