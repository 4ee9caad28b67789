"""StreamingLLM: keep attention sinks and the most recent tokens (arXiv:2309.17453)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.api import IncompatibleError, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, Evictor


@dataclass(frozen=True)
class StreamingLLM(Evictor):
    sinks: int = knob(4, low=0, help="first tokens, always kept")
    rerotate: bool = knob(
        True, help="rows take positions inside the cache and it rolls on; false: positions of the text"
    )

    name = "streaming_llm"
    traits = replace(
        EVICTION,
        requires=EVICTION.requires | {"one position per row"},
        breaks=frozenset({"positions of the text", "every token of the text"}),
    )

    def check(self, facts: Mapping[str, Any]) -> None:
        super().check(facts)
        if self.rerotate and not facts.get("rotary", True):
            raise IncompatibleError(
                "streaming_llm moves rotary positions, this model has none; set method.streaming_llm.rerotate=false"
            )

    def shrink(self, cache: Any, layer: Any, kept: int) -> None:
        from .algorithm import kept_rows
        from .storage import Rolling

        rows = kept_rows(layer.storage.length, kept, self.sinks).to(layer.keys.device)
        if self.rerotate:
            unrotated = layer.unrotated_keys()[:, rows].to(layer.keys.dtype)
            layer.storage = Rolling(unrotated, layer.values[:, rows], min(self.sinks, kept), layer.rotation)
            cache.rolling = True
        else:
            layer.keep(rows)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [StreamingLLM]
