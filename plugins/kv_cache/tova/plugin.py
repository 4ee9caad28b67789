"""TOVA: evict what the last token attends to least, after prefill and at each decoded token (arXiv:2401.06104)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, WHOLE, Evictor, LastQueries


@dataclass(frozen=True)
class TOVA(Evictor):
    while_decoding: bool = knob(
        True, help="each decoded token costs a row, so the size holds; false: once after prefill, decoded tokens on top"
    )

    name = "tova"
    traits = replace(EVICTION, requires=EVICTION.requires | WHOLE, breaks=EVICTION.breaks - {"one position per row"})

    def needs(self) -> frozenset[Any]:
        return frozenset({LastQueries(1)})

    def shrink(self, cache: Any, layer: Any, kept: int) -> None:
        from .algorithm import scores
        from .storage import Bounded

        found = scores(layer.queries(1), layer.keys, layer.scaling)
        layer.keep(found.topk(kept).indices.sort().values)
        if self.while_decoding:
            layer.storage = Bounded(layer.storage, layer.scaling)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [TOVA]
