"""Instances are classified; one of them speaks for the bag."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from harness_plugins.subjects.bag_classifier.network import Pooled


class MostPositive(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(width, classes)

    def forward(self, hidden: torch.Tensor) -> Pooled:
        """[instances, width]"""
        logits = self.classify(hidden)
        chosen = chosen_instance(logits)
        return Pooled(logits.index_select(0, chosen[None])[0], F.one_hot(chosen, len(hidden)).to(logits.dtype))


def chosen_instance(logits: torch.Tensor) -> torch.Tensor:
    """Of two classes, where the second is likeliest; of more, where the highest probability of any class stands."""
    probabilities = logits.softmax(1)
    return (probabilities[:, 1] if logits.shape[1] == 2 else probabilities.amax(1)).argmax()
