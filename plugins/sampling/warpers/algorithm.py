"""What transformers has no warper for."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor


def likeliest(logits: Tensor) -> Tensor:
    """Logits with all but the highest of each row excluded, one where several are, [rows, vocabulary]."""
    best = logits.argmax(-1, keepdim=True)
    return torch.full_like(logits, -inf).scatter(-1, best, logits.gather(-1, best))
