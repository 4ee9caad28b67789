"""ACMIL: several attention branches kept apart, and the most attended instances masked (arXiv:2311.07125)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.api import IncompatibleError, Method, hookimpl, knob
from harness_plugins.subjects.bag_classifier.plugin import MIL, Aggregator

HEADS = 8


@dataclass(frozen=True)
class ACMIL(Aggregator):
    variant: str = knob("ga", choices=("ga", "mha"), help="gated attention, or learned queries with eight heads")
    branches: int = knob(5, low=1, high=10, help="attention branches; 1: none beside the one")
    masked: int = knob(10, low=0, help="most attended instances of a branch that masking draws from; 0: no masking")
    mask_drop: float = knob(0.6, low=0.0, high=1.0, help="share of those that is masked in a training step")
    attention_size: int = knob(128, low=1, help="hidden size of the gated attention")

    name = "acmil"
    traits = MIL

    def check(self, facts: Mapping[str, Any]) -> None:
        if self.variant == "mha" and facts["width"] % HEADS:
            raise IncompatibleError(
                f"acmil.variant=mha has {HEADS} heads, which must divide the width it pools, {facts['width']}; "
                "set the last of model.hidden to a multiple"
            )

    def head(self, width: int, classes: int) -> Any:
        from .algorithm import GatedBranches, QueryBranches

        if self.variant == "ga":
            return GatedBranches(width, classes, self.branches, self.attention_size, self.masked, self.mask_drop)
        return QueryBranches(width, classes, self.branches, HEADS, self.masked, self.mask_drop)

    def loss(self, pooled: Any, label: Any) -> Any:
        from .algorithm import loss

        return loss(pooled, label)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [ACMIL]
