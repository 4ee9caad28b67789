"""Magnitude pruning: the smallest weights of a network become zero (Han et al., arXiv:1506.02626)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Evidence, Method, Traits, hookimpl, knob

PRUNING = Traits(
    family="pruning",
    subjects=frozenset({"image-classifier"}),
    seams=frozenset({"weights"}),
    evidence=frozenset({"zeros", "weights"}),
    simulated=True,  # zeros are stored and multiplied like any other number
)


@dataclass(frozen=True)
class Pruner(Method):
    """Zeroes a share of the weights, and proves it by counting them."""

    sparsity: float = knob(
        0.5, low=0.0, high=0.99, help="share of the weights of convolutions and linear layers zeroed"
    )

    neutral = {"sparsity": 0.0}

    def nominal(self) -> dict[str, float]:
        return {"sparsity": self.sparsity}

    def prune(self, network: Any) -> None:
        """In place."""
        raise NotImplementedError

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        from .algorithm import count

        evidence = Evidence()

        def act(network: Any) -> None:
            self.prune(network)
            evidence.record(**count(network))

        with subject.at("weights", act):
            yield evidence


@dataclass(frozen=True)
class Magnitude(Pruner):
    scope: str = knob("global", choices=("global", "layer"), help="which weights compete: all, or those of each layer")

    name = "magnitude"
    traits = replace(PRUNING, controls=("random_pruning",))

    def prune(self, network: Any) -> None:
        from .algorithm import prune_smallest

        prune_smallest(network, self.sparsity, self.scope)


@dataclass(frozen=True)
class RandomPruning(Pruner):
    """The control: as many weights of each layer, drawn at random."""

    draw: int = knob(0, low=0, help="seeds the choice")

    name = "random_pruning"
    traits = PRUNING

    def prune(self, network: Any) -> None:
        from .algorithm import prune_drawn

        prune_drawn(network, self.sparsity, self.draw)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Magnitude, RandomPruning]
