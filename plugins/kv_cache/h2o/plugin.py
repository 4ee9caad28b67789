"""H2O: keep recent tokens and those that drew most attention so far, at each step (arXiv:2306.14048)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, WHOLE, Capture, Evictor


@dataclass(frozen=True)
class ReceivedAttention(Capture):
    """The attention each token of the context received from all that follow, [heads, tokens]."""

    def take(self, layer: Any, queries: Any) -> Any:
        from .algorithm import received

        return received(queries, layer.keys, layer.scaling)


@dataclass(frozen=True)
class H2O(Evictor):
    recent: float = knob(0.5, low=0.0, high=1.0, help="share of the kept tokens that are the last ones")
    while_decoding: bool = knob(
        True, help="each decoded token costs a row, so the size holds; false: once after prefill, decoded tokens on top"
    )

    name = "h2o"
    traits = replace(EVICTION, requires=EVICTION.requires | WHOLE)

    def needs(self) -> frozenset[Any]:
        return frozenset({ReceivedAttention()})

    def shrink(self, cache: Any, layer: Any, kept: int) -> None:
        from .algorithm import kept_rows
        from .storage import HeavyHitters

        scores, recent = layer.captured(ReceivedAttention()), round(self.recent * kept)
        rows = kept_rows(scores, kept, recent)
        layer.keep(rows)
        if self.while_decoding:
            layer.storage = HeavyHitters(layer.storage, scores.gather(1, rows), recent, layer.scaling)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [H2O]
