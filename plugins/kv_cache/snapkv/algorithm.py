"""SnapKV's scores (arXiv:2404.14469, section 4)."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from harness_plugins.subjects.causal_lm.weights import attention_weights


def scores(queries: Tensor, keys: Tensor, kernel: int, scaling: float) -> Tensor:
    """How much the last queries attend to each token, pooled over neighbours, [heads, tokens].

    The window's own tokens get the highest score, so they are always kept.

    Args:
        queries: rotated, of the last tokens, [query heads, window, size].
        keys: rotated, [heads, tokens, size].
        kernel: width of the average pool, odd.
        scaling: what the model multiplies their products by.
    """
    window = queries.shape[1]
    mean = attention_weights(queries, keys, scaling)[..., :-window].mean(dim=-2)  # over the window's queries
    pooled = avg_pool1d(mean, kernel, stride=1, padding=kernel // 2).mean(dim=1)
    return torch.cat([pooled, pooled.new_full((len(keys), window), float(pooled.max()) + 1)], dim=-1)
