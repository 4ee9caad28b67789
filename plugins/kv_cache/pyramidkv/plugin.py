"""PyramidKV: SnapKV's choice, with more tokens kept in lower layers than in higher ones (arXiv:2406.02069)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Evidence, KnobError, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, WHOLE, Evictor, LastQueries


@dataclass(frozen=True)
class PyramidKV(Evictor):
    window: int = knob(64, low=1, help="last tokens, kept in every layer, whose attention decides")
    kernel: int = knob(5, low=1, help="neighbouring tokens averaged over, odd")
    beta: float = knob(20.0, low=1.0, help="the last layer's share beside the window is 1/beta of the mean; 1: uniform")

    name = "pyramidkv"
    traits = replace(
        EVICTION,
        evidence=EVICTION.evidence | {"window_start", "window_end", "kept_first", "kept_last"},
        requires=EVICTION.requires | WHOLE,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel % 2 == 0:
            raise KnobError(f"pyramidkv.kernel must be odd, got {self.kernel}; remove it to use 5")

    def needs(self) -> frozenset[Any]:
        return frozenset({LastQueries(self.window)})

    def shrink(self, cache: Any, layer: Any, kept: int) -> None:
        from harness_plugins.kv_cache.snapkv.algorithm import scores

        from .algorithm import budgets

        if kept <= self.window:
            raise KnobError(
                f"pyramidkv.window must be below the {kept} tokens kept, got {self.window}; the pyramid is built of "
                "what is left beside it"
            )
        layers = cache.layers
        size = budgets(len(layers), layer.storage.length, kept, self.window, self.beta)[layers.index(layer)]
        found = scores(layer.queries(self.window), layer.keys, self.kernel, layer.scaling)
        layer.keep(found.topk(size, dim=-1).indices.sort(dim=-1).values)

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        """Also records where the window lay, and what the first and the last layer kept."""

        def locate(cache: Any) -> None:
            seen = cache.layers[0].storage.length
            evidence.record(window_start=max(0, seen - self.window), window_end=seen)

        def compare(cache: Any) -> None:
            evidence.record(kept_first=cache.layers[0].storage.length, kept_last=cache.layers[-1].storage.length)

        with (
            subject.at("after_prefill", locate),
            super().apply(subject) as evidence,
            subject.at("after_prefill", compare),
        ):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [PyramidKV]
