"""Attention over the instances of a bag, plain or gated."""

from __future__ import annotations

import torch
from torch import nn

from harness_plugins.subjects.bag_classifier.network import Pooled


class AttentionPooling(nn.Module):
    def __init__(self, width: int, classes: int, size: int, gated: bool) -> None:
        super().__init__()
        self.tanh = nn.Linear(width, size)
        self.gate = nn.Linear(width, size) if gated else None
        self.weigh = nn.Linear(size, 1)
        self.classify = nn.Linear(width, classes)

    def attention(self, hidden: torch.Tensor) -> torch.Tensor:
        """[instances], of sum 1."""
        scored = torch.tanh(self.tanh(hidden))
        if self.gate is not None:
            scored = scored * torch.sigmoid(self.gate(hidden))
        return self.weigh(scored)[:, 0].softmax(0)

    def forward(self, hidden: torch.Tensor) -> Pooled:
        """[instances, width]"""
        attention = self.attention(hidden)
        return Pooled(self.classify(attention @ hidden), attention)
