"""Unified Layer Skipping: while decoding, run evenly spread layers, as many as a target speed-up leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Method, hookimpl
from harness_plugins.subjects.causal_lm.skipping import SKIPPING, Skipper


@dataclass(frozen=True)
class UnifiedLayerSkipping(Skipper):
    name = "unified_layer_skipping"
    traits = SKIPPING

    def kept(self, blocks: int, artifact: Path | None) -> frozenset[int]:
        from .algorithm import kept_layers

        return frozenset(kept_layers(blocks, self.count(blocks)))

    def notes(self, facts: Mapping[str, Any]) -> list[str]:
        from .algorithm import interval

        layers = facts["layers"]
        kept = self.count(layers)
        if kept == layers or interval(layers, kept) > 1:
            return []
        return [
            f"{self.name} at target_speedup={self.target_speedup:g} spreads nothing: its interval is 1, and it drops "
            f"layers {kept - 1} to {layers - 2} of {layers} in one piece, as contiguous_drop at where=top does"
        ]


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [UnifiedLayerSkipping]
