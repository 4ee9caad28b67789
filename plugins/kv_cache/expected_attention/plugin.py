"""Expected attention: keep what future queries, taken as Gaussian, are expected to attend to (arXiv:2510.00636)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.api import IncompatibleError, KnobError, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import EVICTION, WHOLE, Capture, Evictor


@dataclass(frozen=True)
class QueryMoments(Capture):
    """Mean and covariance of the unrotated queries behind the first `sinks` tokens."""

    sinks: int

    def take(self, layer: Any, queries: Any) -> Any:
        from .algorithm import moments

        unrotated = layer.rotation.undo(queries.float(), layer.storage.positions)
        return moments(unrotated[:, self.sinks :])


@dataclass(frozen=True)
class ExpectedAttention(Evictor):
    future: int = knob(512, low=1, help="positions after the context that queries are expected from")
    sinks: int = knob(4, low=0, help="first tokens, always kept, and left out of the statistics")
    covariance: bool = knob(True, help="count how queries spread, not only where their mean points")
    value_norm: bool = knob(True, help="weigh attention by the norm of the token's value")
    epsilon: float = knob(0.0, low=0.0, help="added to the attention before it is weighed")

    name = "expected_attention"
    traits = replace(EVICTION, requires=EVICTION.requires | WHOLE)

    def needs(self) -> frozenset[Any]:
        return frozenset({QueryMoments(self.sinks)})

    def check(self, facts: Mapping[str, Any]) -> None:
        super().check(facts)
        if not facts.get("rotary", True):
            raise IncompatibleError("expected_attention rotates queries into the future; this model has no rotation")

    def scores(self, layer: Any, text: int) -> Any:
        from .algorithm import protected, scores

        seen = layer.storage.length
        if seen <= self.sinks:
            raise KnobError(
                f"expected_attention.sinks must be below the {seen} tokens of the context, got {self.sinks}"
            )
        mean, covariance = layer.captured(QueryMoments(self.sinks))
        ahead = range(seen, seen + self.future)
        mean = layer.rotation.average(mean.unsqueeze(1), ahead).squeeze(1)
        if self.covariance:  # R·Σ·Rᵀ: rotate the rows, then the columns
            rotated = layer.rotation.average(covariance, ahead).transpose(1, 2)
            covariance = layer.rotation.average(rotated, ahead).transpose(1, 2)
        found = scores(
            mean,
            covariance if self.covariance else None,
            layer.keys[:, self.sinks :],
            layer.values[:, self.sinks :] if self.value_norm else None,
            layer.scaling,
            self.epsilon,
        )
        return protected(found, self.sinks)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [ExpectedAttention]
