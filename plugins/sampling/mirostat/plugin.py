"""Mirostat: holds the surprise of generated text at a target, by feedback (arXiv:2007.14966)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Evidence, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.sampler import SAMPLING, UNDRAWN, Sampler


@dataclass(frozen=True)
class Mirostat(Sampler):
    tau: float = knob(3.0, low=0.0, help="target: surprise in bits a token; the perplexity aimed at is 2^tau")
    eta: float = knob(0.1, low=0.001, high=1.0, help="how far the bound follows each error")
    version: int = knob(2, choices=(1, 2), help="1: keeps the k most probable tokens; 2: those below the bound")
    m: int = knob(100, low=2, help="version 1: most probable tokens that Zipf's exponent is estimated from")
    surprise_from: str = knob(
        "full",
        choices=("full", "truncated"),
        help="full: surprise is measured before tokens are cut off, as in the paper; truncated: after, as in llama.cpp",
    )

    name = "mirostat"
    traits = replace(
        SAMPLING,
        evidence=SAMPLING.evidence | {"surprise", "bound", "saturated"},
        breaks=frozenset({UNDRAWN}),
    )
    neutral = {"tau": 0.0, "version": 2}

    def begin(self, evidence: Evidence) -> Callable[[Any], None]:
        from harness_plugins.subjects.causal_lm.sampling import bits

        from .algorithm import by_rank, by_surprise

        bound = 2 * self.tau

        def choose(step: Any) -> None:
            nonlocal bound
            whole, before = bits(step.logits), step.candidates
            kept = by_rank(whole, bound, self.m) if self.version == 1 else by_surprise(whole, bound)
            step.logits = step.logits.masked_fill(~kept, -float("inf"))
            token, left = step.draw(), step.candidates
            surprise = float(whole[token])
            evidence.record(candidates=left, surprise=surprise, bound=bound, saturated=left == before)
            measured = surprise if self.surprise_from == "full" else float(bits(step.logits)[token])
            bound -= self.eta * (measured - self.tau)

        return choose


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Mirostat]
