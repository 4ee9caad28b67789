"""Max pooling: a bag has the logits of its most positive instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl
from harness_plugins.subjects.bag_classifier.plugin import MIL, Aggregator


@dataclass(frozen=True)
class MaxPool(Aggregator):
    name = "max_pool"
    traits = MIL

    def head(self, width: int, classes: int) -> Any:
        from .algorithm import MostPositive

        return MostPositive(width, classes)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [MaxPool]
