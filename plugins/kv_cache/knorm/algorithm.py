"""Scores by key norm (arXiv:2406.11430)."""

from torch import Tensor


def scores(keys: Tensor) -> Tensor:
    """−‖k‖₂ of each key, [heads, tokens]: a small norm means an important token.

    Args:
        keys: [heads, tokens, size]; a rotation does not change the norm.
    """
    return -keys.norm(dim=-1)
