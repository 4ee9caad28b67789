"""Attention branches, the penalty that keeps them apart, and masking of the most attended instances."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from harness_plugins.subjects.bag_classifier.network import Pooled

MASKED = -1e9


def mask_most_attended(logits: torch.Tensor, count: int, drop: float) -> torch.Tensor:
    """Of each row's `count` highest of [..., instances], int(count · drop) drawn at random become -1e9."""
    count = min(count, logits.shape[-1])
    highest = logits.topk(count, dim=-1).indices
    drawn = torch.rand_like(logits[..., :count]).argsort(-1)[..., : int(count * drop)]
    return logits.scatter(-1, highest.gather(-1, drawn), MASKED)


def similarity(attention: torch.Tensor) -> torch.Tensor:
    """Mean cosine between any two branches of [..., branches, instances]; 0 where there is one."""
    branches = attention.shape[-2]
    if branches == 1:
        return attention.new_zeros(())
    unit = F.normalize(attention, dim=-1)
    cosines = unit @ unit.mT
    of_pairs = cosines.sum((-2, -1)) - cosines.diagonal(dim1=-2, dim2=-1).sum(-1)
    return of_pairs.mean() / (branches * (branches - 1))


def loss(pooled: Pooled, label: torch.Tensor) -> torch.Tensor:
    """Of the bag, of each branch (where there are several), and how alike the branches are; all weigh the same."""
    branches, attention = pooled.parts
    bag = F.cross_entropy(pooled.logits[None], label)
    if len(branches) == 1:
        return bag
    return bag + F.cross_entropy(branches, label.repeat(len(branches))) + similarity(attention)


class GatedBranches(nn.Module):
    """Variant `ga`: one gated attention whose last layer has an output for each branch."""

    def __init__(self, width: int, classes: int, branches: int, size: int, masked: int, drop: float) -> None:
        super().__init__()
        self.tanh = nn.Linear(width, size)
        self.gate = nn.Linear(width, size)
        self.weigh = nn.Linear(size, branches)
        self.classify = nn.Linear(width, classes)
        self.each = nn.ModuleList([nn.Linear(width, classes) for _ in range(branches if branches > 1 else 0)])
        self.masked, self.drop = masked, drop

    def attention(self, hidden: torch.Tensor) -> torch.Tensor:
        """[branches, instances], rows of sum 1."""
        logits = self.weigh(torch.tanh(self.tanh(hidden)) * torch.sigmoid(self.gate(hidden))).T
        if self.training and self.masked:
            logits = mask_most_attended(logits, self.masked, self.drop)
        return logits.softmax(-1)

    def forward(self, hidden: torch.Tensor) -> Pooled:
        """[instances, width]"""
        attention = self.attention(hidden)
        bag = attention.mean(0)
        logits = self.classify(bag @ hidden)
        if not self.each:
            return Pooled(logits, bag, (logits[None], attention))
        features = attention @ hidden
        branches = torch.stack([classify(one) for classify, one in zip(self.each, features, strict=True)])
        return Pooled(logits, bag, (branches, attention))


class Heads(nn.Module):
    """The output side of one multi-head attention: [heads, instances] weigh the values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout, self.norm = nn.Dropout(0.1), nn.LayerNorm(width, eps=1e-6)

    def split(self, projected: torch.Tensor) -> torch.Tensor:
        """[rows, width] to [heads, rows, width of a head]."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(0, 1)

    def pool(self, attention: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """[width]"""
        pooled = (attention[:, None] @ self.split(self.value(hidden))).flatten()
        return self.norm(self.dropout(self.out(pooled)))


class QueryHeads(Heads):
    """With queries and keys of its own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)

    def logits(self, query: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """[heads, instances]"""
        queries, keys = self.split(self.query(query[None])), self.split(self.key(hidden))
        return (queries @ keys.transpose(1, 2))[:, 0] / keys.shape[-1] ** 0.5


class QueryBranches(nn.Module):
    """Variant `mha`: each branch a learned query with eight heads of its own; masking acts on each head."""

    def __init__(self, width: int, classes: int, branches: int, heads: int, masked: int, drop: float) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(branches, width) * 1e-6)
        self.attend = nn.ModuleList([QueryHeads(width, heads) for _ in range(branches)])
        self.each = nn.ModuleList([nn.Linear(width, classes) for _ in range(branches)])
        self.bag, self.classify = Heads(width, heads), nn.Linear(width, classes)
        self.masked, self.drop = masked, drop

    def forward(self, hidden: torch.Tensor) -> Pooled:
        """[instances, width]"""
        logits = torch.stack(
            [attend.logits(query, hidden) for attend, query in zip(self.attend, self.queries, strict=True)], dim=1
        )
        if self.training and self.masked:
            logits = mask_most_attended(logits, self.masked, self.drop)
        attention = logits.softmax(-1)  # [heads, branches, instances]
        mean = attention.mean(1)
        branches = [
            classify(attend.pool(attention[:, place], hidden))
            for place, (attend, classify) in enumerate(zip(self.attend, self.each, strict=True))
        ]
        return Pooled(self.classify(self.bag.pool(mean, hidden)), mean.mean(0), (torch.stack(branches), attention))
