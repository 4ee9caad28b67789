"""Round to nearest: each group of weights on a grid of its own, packed in 8, 4, 3 or 2 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.quantization import QUANTIZATION, WeightQuantizer


@dataclass(frozen=True)
class RoundToNearest(WeightQuantizer):
    symmetric: bool = knob(False, help="grid around 0 from the largest magnitude; else from smallest to largest weight")

    name = "rtn"
    traits = QUANTIZATION

    def unfit(self, facts: Mapping[str, Any]) -> str | None:
        return None if self.symmetric else super().unfit(facts)  # its blocks are not symmetric

    def codes(self, weight: Any) -> Any:
        from harness_plugins.subjects.causal_lm.packed import round_to_nearest

        return round_to_nearest(weight, self.bits, self.group, self.symmetric)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [RoundToNearest]
