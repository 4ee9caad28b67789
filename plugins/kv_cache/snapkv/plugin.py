"""SnapKV: keep what the last tokens attend to (arXiv:2404.14469)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Evidence, KnobError, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, WHOLE, Evictor, LastQueries


@dataclass(frozen=True)
class SnapKV(Evictor):
    window: int = knob(64, low=1, help="last tokens, always kept, whose attention decides")
    kernel: int = knob(5, low=1, help="neighbouring tokens averaged over, odd")

    name = "snapkv"
    traits = replace(
        EVICTION,
        evidence=EVICTION.evidence | {"window_start", "window_end"},
        requires=EVICTION.requires | WHOLE,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel % 2 == 0:
            raise KnobError(f"snapkv.kernel must be odd, got {self.kernel}; remove it to use 5")

    def needs(self) -> frozenset[Any]:
        return frozenset({LastQueries(self.window)})

    def scores(self, layer: Any, text: int) -> Any:
        from .algorithm import scores

        return scores(layer.queries(self.window), layer.keys, self.kernel, layer.scaling)

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        """Also records where the window lay: inside the question, or before it."""

        def locate(cache: Any) -> None:
            seen = cache.layers[0].storage.length
            if seen <= self.window:
                raise KnobError(f"snapkv.window must be below the {seen} tokens of the context, got {self.window}")
            evidence.record(window_start=seen - self.window, window_end=seen)

        with subject.at("after_prefill", locate), super().apply(subject) as evidence:
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [SnapKV]
