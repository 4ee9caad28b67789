"""What Mirostat leaves to draw from. Surprise is in bits, −log2 p."""

from __future__ import annotations

from math import exp, expm1, inf, log

import torch
from torch import Tensor

LEAST_EXPONENT = 1 + 1e-6  # at 1 and below, the sum of Zipf's law over all ranks diverges and k is undefined
MOST_BITS = 126.0  # the smallest normal float32 is 2^-126


def zipf_exponent(bits: Tensor) -> float:
    """Least squares through the origin of ln(p_i ÷ p_{i+1}) on ln((i+2) ÷ (i+1)).

    Args:
        bits: surprise of the most probable tokens, ascending, [m].
    """
    nats = bits.double().clamp(max=MOST_BITS) * log(2)
    rank = torch.arange(1, len(nats), dtype=torch.float64, device=nats.device)
    t, b = torch.log((rank + 1) / rank), nats.diff()
    return float((t * b).sum() / (t * t).sum())


def budget(exponent: float, bound: float, vocabulary: int) -> int:
    """k of version 1: how many tokens keep the expected surprise at the bound, where ranks follow Zipf's law.

    round((ε · 2^μ ÷ (1 − N^−ε))^(1/ŝ)), at least 1 and at most N; in logarithms, since 2^μ may overflow.
    """
    s = max(exponent, LEAST_EXPONENT)
    epsilon, size = s - 1, log(vocabulary)
    ln_k = (log(epsilon) + bound * log(2) - log(-expm1(-epsilon * size))) / s
    return vocabulary if ln_k >= size else max(1, round(exp(ln_k)))


def by_rank(bits: Tensor, bound: float, m: int) -> Tensor:
    """Version 1: which tokens stay, [vocabulary]; the k most probable, by the exponent of the m most probable.

    Args:
        bits: surprise of each token, [vocabulary].
        m: at least 2; more than there are tokens is all of them.
    """
    top = bits.topk(min(m, len(bits)), largest=False).values
    k = budget(zipf_exponent(top), bound, len(bits))
    kept = torch.zeros_like(bits, dtype=torch.bool)
    kept[bits.topk(k, largest=False, sorted=False).indices] = True
    return kept & (bits < inf)


def by_surprise(bits: Tensor, bound: float) -> Tensor:
    """Version 2: which tokens stay, [vocabulary]; those no more surprising than the bound, and the likeliest."""
    kept = bits <= bound
    kept[bits.argmin()] = True
    return kept & (bits < inf)
