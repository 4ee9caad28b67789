"""KNorm: evict cached tokens whose keys are largest (arXiv:2406.11430)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Method, hookimpl
from harness_plugins.subjects.causal_lm.plugin import EVICTION, Evictor


@dataclass(frozen=True)
class KNorm(Evictor):
    name = "knorm"
    traits = EVICTION

    def scores(self, layer: Any, text: int) -> Any:
        from .algorithm import scores

        return scores(layer.keys)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [KNorm]
