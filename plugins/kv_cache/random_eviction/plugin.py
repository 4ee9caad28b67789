"""Random eviction: the control of every method that chooses which tokens to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, Evictor


@dataclass(frozen=True)
class RandomEviction(Evictor):
    seed: int = knob(0, low=0, help="of the choice, which also differs from sample to sample and from layer to layer")

    name = "random_eviction"
    traits = replace(EVICTION, controls=())

    def scores(self, layer: Any, text: int) -> Any:
        import torch

        from .algorithm import scores

        heads, tokens = layer.keys.shape[:2]
        generator = torch.Generator().manual_seed(crc32(f"{text} {layer.index} {self.seed}".encode()))
        return scores(heads, tokens, generator).to(layer.keys.device)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [RandomEviction]
