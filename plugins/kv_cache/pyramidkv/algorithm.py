"""PyramidKV's budgets and scores (arXiv:2406.02069, section 4)."""

from math import floor

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from harness_plugins.subjects.causal_lm.weights import attention_weights


def budgets(layers: int, seen: int, kept: int, window: int, beta: float) -> list[int]:
    """Rows each layer keeps: the window, and a share that falls linearly with depth; in all `layers` · `kept`.

    The last layer's share is 1/`beta` of the mean, unless the first would then keep more than there is.
    Halves of a row are given to the layers that lose most by rounding down.
    """
    mean = kept - window
    last = mean / beta
    if 2 * mean - last > seen - window:
        last = 2 * mean - (seen - window)
    step = 2 * (mean - last) / max(1, layers - 1)
    shares = [mean + step * ((layers - 1) / 2 - layer) for layer in range(layers)]
    whole = [floor(share + 1e-9) for share in shares]
    largest = sorted(range(layers), key=lambda layer: whole[layer] - shares[layer])
    for layer in largest[: layers * mean - sum(whole)]:
        whole[layer] += 1
    return [window + share for share in whole]


def scores(queries: Tensor, keys: Tensor, kernel: int, scaling: float) -> Tensor:
    """SnapKV's: how much the last queries attend to each token, pooled over neighbours, [heads, tokens].

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
