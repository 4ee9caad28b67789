"""A bag's way to its logits: standardised features, a trunk shared by all methods, a method's own head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from harness.api import SourceError

INDEX = "folds.json"


class Pooled(NamedTuple):
    logits: torch.Tensor  # [classes]
    attention: torch.Tensor  # [instances], at least 0, of sum 1
    parts: tuple[torch.Tensor, ...] = ()  # what a method's loss needs beside


class Trunk(nn.Sequential):
    """ReLU(W h) layer by layer, on each instance alone."""

    def __init__(self, features: int, hidden: Sequence[int], bias: bool, dropout: float) -> None:
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(features, width, bias=bias), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
            features = width
        super().__init__(*layers)


class Network(nn.Module):
    def __init__(self, subject: Any, method: Any, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.trunk = Trunk(features, subject.hidden, subject.bias, subject.dropout)
        self.head = method.head(subject.hidden[-1], classes)

    def standardised(self, instances: torch.Tensor) -> torch.Tensor:
        return (instances - self.mean) / self.std

    def pooled(self, standardised: torch.Tensor) -> Pooled:
        return self.head(self.trunk(standardised))

    def forward(self, instances: torch.Tensor) -> Pooled:
        return self.pooled(self.standardised(instances))


class MeanOfLogits(nn.Module):
    """A linear classifier of instances, its logits averaged over the bag."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(width, classes)

    def forward(self, hidden: torch.Tensor) -> Pooled:
        return Pooled(self.classify(hidden).mean(0), hidden.new_full((len(hidden),), 1 / len(hidden)))


class Trained:
    """The networks that a method trained, one for each fold."""

    def __init__(self, subject: Any, method: Any, folder: Path) -> None:
        from safetensors.torch import load_file

        self.folder, self.networks = folder, {}
        for fold, about in json.loads((folder / INDEX).read_text()).items():
            network = Network(subject, method, about["features"], about["classes"])
            network.load_state_dict(load_file(folder / about["file"]))
            self.networks[fold] = network.to(subject.device).eval()

    def __call__(self, instances: torch.Tensor, fold: str) -> Pooled:
        if fold not in self.networks:
            raise SourceError(f"nothing was trained for fold {fold!r}; {self.folder} has {', '.join(self.networks)}")
        network = self.networks[fold]
        if instances.shape[1] != len(network.mean):
            raise SourceError(
                f"a bag of {instances.shape[1]} features, and fold {fold!r} was trained on {len(network.mean)}"
            )
        return network(instances)
