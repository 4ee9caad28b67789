"""Magnitude pruning: the smallest weights of a network become zero (Han et al., arXiv:1506.02626)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.api import Evidence, Method, Traits, hookimpl, knob


@dataclass(frozen=True)
class Magnitude(Method):
    sparsity: float = knob(
        0.5, low=0.0, high=0.99, help="share of the weights of convolutions and linear layers zeroed"
    )
    scope: str = knob("global", choices=("global", "layer"), help="which weights compete: all, or those of each layer")

    name = "magnitude"
    traits = Traits(
        family="pruning",
        subjects=frozenset({"image-classifier"}),
        seams=frozenset({"weights"}),
        evidence=frozenset({"zeros", "weights"}),
        controls=("random_pruning",),
        simulated=True,  # zeros are stored and multiplied like any other number
    )
    neutral = {"sparsity": 0.0}

    def nominal(self) -> dict[str, float]:
        return {"sparsity": self.sparsity}

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        from .algorithm import count, prune_smallest

        evidence = Evidence()

        def prune(network: Any) -> None:
            prune_smallest(network, self.sparsity, self.scope)
            evidence.record(**count(network))

        with subject.at("weights", prune):
            yield evidence


@dataclass(frozen=True)
class RandomPruning(Method):
    """The control: as many weights of each layer, drawn at random."""

    sparsity: float = knob(
        0.5, low=0.0, high=0.99, help="share of the weights of convolutions and linear layers zeroed"
    )
    draw: int = knob(0, low=0, help="seeds the choice")

    name = "random_pruning"
    traits = Traits(
        family="pruning",
        subjects=frozenset({"image-classifier"}),
        seams=frozenset({"weights"}),
        evidence=frozenset({"zeros", "weights"}),
        simulated=True,
    )
    neutral = {"sparsity": 0.0}

    def nominal(self) -> dict[str, float]:
        return {"sparsity": self.sparsity}

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        from .algorithm import count, prune_drawn

        evidence = Evidence()

        def prune(network: Any) -> None:
            prune_drawn(network, self.sparsity, self.draw)
            evidence.record(**count(network))

        with subject.at("weights", prune):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Magnitude, RandomPruning]
