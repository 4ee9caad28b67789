"""Magnitude pruning: the smallest weights of a network become zero (Han et al., arXiv:1506.02626)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Evidence, Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.pruning import PRUNING, Pruner

BOTH = replace(PRUNING, subjects=frozenset({"causal-lm", "image-classifier"}))


@dataclass(frozen=True)
class Magnitude(Pruner):
    scope: str = knob(
        "auto",
        choices=("auto", "global", "layer"),
        help="which weights compete: all, or those of each layer; auto: all of a classifier, else of a layer",
    )

    name = "magnitude"
    traits = replace(BOTH, controls=("random_pruning",))

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        scope = (
            {"causal-lm": "layer", "image-classifier": "global"}[subject.kind] if self.scope == "auto" else self.scope
        )
        with super(Magnitude, replace(self, scope=scope)).apply(subject, artifact) as evidence:
            yield evidence

    def kept(self, layers: Mapping[str, Any], artifact: Path | None) -> Iterator[tuple[str, Any]]:
        from harness_plugins.subjects.causal_lm.masks import two_of_four

        from .algorithm import smallest

        if self.pattern == "2:4":
            for name in layers:
                yield name, two_of_four(layers[name].weight.detach().abs())
        else:
            yield from smallest(layers, self.sparsity, together=self.scope == "global")


@dataclass(frozen=True)
class RandomPruning(Pruner):
    """The control: as many weights of each layer, drawn at random."""

    draw: int = knob(0, low=0, help="seeds the choice")

    name = "random_pruning"
    traits = BOTH

    def kept(self, layers: Mapping[str, Any], artifact: Path | None) -> Iterator[tuple[str, Any]]:
        import torch

        from harness_plugins.subjects.causal_lm.masks import two_of_four

        from .algorithm import drawn

        if self.pattern == "2:4":
            generator = torch.Generator().manual_seed(self.draw)
            for name in layers:
                weight = layers[name].weight
                yield name, two_of_four(torch.rand(weight.shape, generator=generator)).to(weight.device)
        else:
            yield from drawn(layers, self.sparsity, self.draw)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Magnitude, RandomPruning]
