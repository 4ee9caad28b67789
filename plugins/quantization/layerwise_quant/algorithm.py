"""How important each block is (arXiv:2406.17415), and which are least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def input_modification(subject: Any, texts: Sequence[Sequence[int]], progress: Callable[[], None]) -> list[float]:
    """LIM: minus the cosine between what enters a block and what leaves it, mean over tokens, then texts."""
    total = [0.0] * len(subject.blocks)

    def add(block: int, given: Tensor, made: Tensor) -> None:
        total[block] -= float(cosine_similarity(given.double(), made.double(), dim=-1).mean())

    with torch.no_grad(), subject.blocks.watched(add):
        for ids in texts:
            subject.prefill({"context": list(ids)}, frozenset())
            progress()
    return [one / len(texts) for one in total]


@torch.no_grad()
def large_weights(subject: Any) -> list[float]:
    """ZD: the share of a block's weights that lie more than a standard deviation above its mean."""
    found: list[float] = []

    def look(layers: Any) -> None:
        for names in subject.linears.by_block():
            pooled = torch.cat([layers[name].weight.flatten().float() for name in names])
            found.append(share_above(pooled))

    with subject.at("weights", look):
        return found


def share_above(weights: Tensor) -> float:
    return float((weights > weights.mean() + weights.std(correction=0)).double().mean())


def without_looking(order: str, blocks: int, draw: int) -> list[float]:
    """Controls: the first blocks are the most important, or the last, or an order is drawn."""
    ranks = list(range(blocks))
    if order == "random":
        Random(f"layerwise_quant/{draw}").shuffle(ranks)
    return [float(-rank if order == "first" else rank) for rank in ranks]


def least(importance: Sequence[float], share: float) -> set[int]:
    """round(share · blocks) blocks of the lowest importance; of equal ones the later go first."""
    order = sorted(range(len(importance)), key=lambda block: (importance[block], -block))
    return set(order[: round(share * len(importance))])
