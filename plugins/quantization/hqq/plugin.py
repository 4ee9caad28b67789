"""HQQ: half-quadratic quantization, grids fitted without data, by the package hqq (Badri and Shaji, 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from harness.api import IncompatibleError, Method, hookimpl
from harness_plugins.subjects.causal_lm.quantization import QUANTIZATION, WeightQuantizer


@dataclass(frozen=True)
class HQQ(WeightQuantizer):
    name = "hqq"
    traits = QUANTIZATION

    def check(self, facts: Mapping[str, Any]) -> None:
        if find_spec("hqq") is None:
            raise IncompatibleError(
                "hqq needs the package hqq, which is not installed; DISABLE_CUDA=1 pip install 'harness-ml[hqq]'"
            )

    def codes(self, weight: Any) -> Any:
        from .algorithm import half_quadratic

        return half_quadratic(weight, self.bits, self.group)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [HQQ]
