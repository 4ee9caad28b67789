"""Cross-layer SVD of keys or values (xKV, arXiv:2503.18893, section 3)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Factors(NamedTuple):
    tokens: Tensor  # U·Σ, shared by the group, [tokens, rank]
    channels: Tensor  # rows of Vᵀ, [rank, channels]


def factorise(matrix: Tensor, rank: int) -> Factors:
    """The best approximation of `matrix` [tokens, channels] of this rank, by the smaller gram matrix.

    The eigenvectors of M·Mᵀ are U, those of Mᵀ·M are V; either gives the truncated SVD's product
    U·Uᵀ·M = M·V·Vᵀ. Several times faster than `torch.linalg.svd`, no mean is taken off.
    """
    tokens, channels = matrix.shape
    if tokens <= channels:
        left = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -rank:]
        return Factors(left, left.T @ matrix)
    right = torch.linalg.eigh(matrix.T @ matrix).eigenvectors[:, -rank:]
    return Factors(matrix @ right, right.T)


def rank_for(ratio: float, tokens: int, channels: int) -> int:
    """The largest rank whose factors, basis included, leave at least `ratio` of the elements saved.

    rank · (tokens + channels) ≤ (1 − ratio) · tokens · channels
    """
    rank = int((1 - ratio) * tokens * channels / (tokens + channels) + 1e-9)
    return min(rank, tokens, channels)
