"""Mean pooling: instances are classified, and their logits averaged; the baseline of aggregators of bags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl
from harness_plugins.subjects.bag_classifier.plugin import MIL, Aggregator


@dataclass(frozen=True)
class MeanPool(Aggregator):
    name = "mean_pool"
    traits = MIL

    def head(self, width: int, classes: int) -> Any:
        from harness_plugins.subjects.bag_classifier.network import MeanOfLogits

        return MeanOfLogits(width, classes)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [MeanPool]
