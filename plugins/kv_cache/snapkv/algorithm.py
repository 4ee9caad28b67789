"""SnapKV's scores (arXiv:2404.14469, section 4)."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d


def scores(queries: Tensor, keys: Tensor, kernel: int) -> Tensor:
    """How much the last queries attend to each token, pooled over neighbours, [heads, tokens].

    The window's own tokens get the highest score, so they are always kept.

    Args:
        queries: rotated, of the last tokens, [query heads, window, size].
        keys: rotated, [heads, tokens, size].
        kernel: width of the average pool, odd.
    """
    heads, tokens, size = keys.shape
    window = queries.shape[1]
    grouped = queries.view(heads, -1, window, size)
    weights = grouped @ keys.unsqueeze(1).transpose(-1, -2) / size**0.5
    future = torch.ones(window, window, dtype=torch.bool, device=keys.device).triu(1)
    weights[..., -window:].masked_fill_(future, float("-inf"))
    attention = weights.softmax(dim=-1, dtype=torch.float32)[..., : tokens - window]
    mean = attention.mean(dim=-2)  # over the window's queries
    pooled = avg_pool1d(mean, kernel, stride=1, padding=kernel // 2).mean(dim=1)
    return torch.cat([pooled, pooled.new_full((heads, window), float(pooled.max()) + 1)], dim=-1)
