"""Attention weights, computed again beside the run's kernel, which gives none away."""

import torch
from torch import Tensor


def attention_weights(queries: Tensor, keys: Tensor, scaling: float) -> Tensor:
    """What the last tokens attend to, [heads, query heads of each, last, tokens], float32.

    Args:
        queries: rotated, of the last tokens, [query heads, last, size].
        keys: rotated, [heads, tokens, size].
        scaling: what the model multiplies their products by.
    """
    heads, tokens, size = keys.shape
    last = queries.shape[1]
    logits = queries.view(heads, -1, last, size) @ keys.unsqueeze(1).transpose(-1, -2) * scaling
    future = torch.ones(last, last, dtype=torch.bool, device=keys.device).triu(1)
    logits[..., tokens - last :].masked_fill_(future, float("-inf"))
    return logits.softmax(dim=-1, dtype=torch.float32)
