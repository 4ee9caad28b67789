"""Greedy decoding, plain sampling, and the usual ways to cut off its tail, by transformers' own warpers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Evidence, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.sampler import SAMPLING, Sampler

LEAST = 1e-9  # what must lie above 0, or below 1


@dataclass(frozen=True)
class Warper(Sampler):
    """Base: what one of transformers' warpers makes of the logits."""

    traits = SAMPLING

    def warper(self) -> Callable[..., Any]:
        raise NotImplementedError

    def begin(self, evidence: Evidence) -> Callable[[Any], None]:
        warper = self.warper()

        def warp(step: Any) -> None:
            step.logits = warper(None, step.logits[None])[0]  # these look at no token but the next
            evidence.record(candidates=step.candidates)

        return warp


@dataclass(frozen=True)
class Greedy(Warper):
    """The likeliest token, as the baseline decodes."""

    name = "greedy"
    neutral = {}

    def warper(self) -> Callable[..., Any]:
        from .algorithm import likeliest

        return lambda _, logits: likeliest(logits)


@dataclass(frozen=True)
class Temperature(Warper):
    """Plain sampling, with logits divided by a temperature."""

    temperature: float = knob(1.0, low=LEAST, help="what logits are divided by; 1 samples the model's own distribution")

    name = "temperature"
    traits = replace(SAMPLING, controls=())

    def warper(self) -> Callable[..., Any]:
        from transformers import TemperatureLogitsWarper

        return TemperatureLogitsWarper(self.temperature)


@dataclass(frozen=True)
class TopK(Warper):
    """Draws from the most probable tokens, a fixed number of them (arXiv:1805.04833)."""

    top_k: int = knob(50, low=1, help="tokens that may be drawn")

    name = "top_k"
    neutral = {"top_k": 1}

    def warper(self) -> Callable[..., Any]:
        from transformers import TopKLogitsWarper

        return TopKLogitsWarper(self.top_k)


@dataclass(frozen=True)
class TopP(Warper):
    """Nucleus sampling: the most probable tokens that together reach a probability (arXiv:1904.09751)."""

    top_p: float = knob(0.9, low=0.0, high=1.0, help="probability that the tokens that may be drawn reach together")

    name = "top_p"
    neutral = {"top_p": 0.0}

    def warper(self) -> Callable[..., Any]:
        from transformers import TopPLogitsWarper

        return TopPLogitsWarper(self.top_p)


@dataclass(frozen=True)
class MinP(Warper):
    """Draws from tokens at least so probable, relative to the most probable one (arXiv:2407.01082)."""

    min_p: float = knob(0.1, low=0.0, high=1.0, help="least probability, as a share of the most probable token's")

    name = "min_p"
    neutral = {"min_p": 1.0}

    def warper(self) -> Callable[..., Any]:
        from transformers import MinPLogitsWarper

        return MinPLogitsWarper(self.min_p)


@dataclass(frozen=True)
class Typical(Warper):
    """Locally typical sampling: tokens whose surprise is nearest to the entropy (arXiv:2202.00666)."""

    mass: float = knob(0.9, low=LEAST, high=1 - LEAST, help="probability that the tokens reach together")

    name = "typical"

    def warper(self) -> Callable[..., Any]:
        from transformers import TypicalLogitsWarper

        return TypicalLogitsWarper(self.mass)


@dataclass(frozen=True)
class Epsilon(Warper):
    """Draws from tokens at least so probable (arXiv:2210.15191)."""

    epsilon: float = knob(3e-4, low=LEAST, high=1 - LEAST, help="least probability")

    name = "epsilon"
    neutral = {"epsilon": 1 - LEAST}

    def warper(self) -> Callable[..., Any]:
        from transformers import EpsilonLogitsWarper

        return EpsilonLogitsWarper(self.epsilon)


@dataclass(frozen=True)
class Eta(Warper):
    """Draws from tokens above a probability that falls as entropy grows (arXiv:2210.15191)."""

    epsilon: float = knob(3e-4, low=LEAST, high=1 - LEAST, help="least probability where the entropy is low")

    name = "eta"

    def warper(self) -> Callable[..., Any]:
        from transformers import EtaLogitsWarper

        return EtaLogitsWarper(self.epsilon)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Greedy, Temperature, TopK, TopP, MinP, Typical, Epsilon, Eta]
