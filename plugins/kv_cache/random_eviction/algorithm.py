"""Random scores, the floor that every evictor has to beat."""

import torch
from torch import Tensor


def scores(heads: int, tokens: int, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1), independent for each head, [heads, tokens]."""
    return torch.rand(heads, tokens, generator=generator)
