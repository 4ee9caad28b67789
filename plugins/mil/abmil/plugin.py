"""ABMIL: attention weighs the instances of a bag (Ilse et al., arXiv:1802.04712)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.bag_classifier.plugin import MIL, Aggregator


@dataclass(frozen=True)
class ABMIL(Aggregator):
    gated: bool = knob(True, help="whether a sigmoid gates the attention")
    attention_size: int = knob(128, low=1, help="hidden size of the attention")

    name = "abmil"
    traits = MIL

    def head(self, width: int, classes: int) -> Any:
        from .algorithm import AttentionPooling

        return AttentionPooling(width, classes, self.attention_size, self.gated)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [ABMIL]
