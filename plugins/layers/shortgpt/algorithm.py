"""Block influence (arXiv:2403.03853, section 3): how far a block turns what it is given."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import cosine_similarity


def influence(given: Tensor, made: Tensor) -> float:
    """1 − the cosine between a block's input and its output, [rows, tokens, size] each; mean over tokens."""
    return 1.0 - float(cosine_similarity(given.double(), made.double(), dim=-1).mean())


def most_influential(influences: Sequence[float], kept: int) -> list[int]:
    """The `kept` blocks of highest influence, ascending; of equal ones the later are kept."""
    order = sorted(range(len(influences)), key=lambda block: (influences[block], block))
    return sorted(order[len(order) - kept :])
