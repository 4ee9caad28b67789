"""Filter pruning: the filters of the smallest L1 norm are removed (Li et al., arXiv:1608.08710)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Evidence, Method, Preparation, Traits, hookimpl, knob

FILTERS = Traits(
    family="pruning",
    subjects=frozenset({"image-classifier"}),
    seams=frozenset({"network"}),
    evidence=frozenset({"filters_kept", "filters_seen", "parameters"}),
    prepares="trains",
)


@dataclass(frozen=True)
class FilterPruner(Method):
    """Removes filters, trains what is left on, and proves it by counting."""

    ratio: float = knob(0.5, low=0.0, high=0.95, help="share of the filters of each block's first convolution removed")

    def nominal(self) -> dict[str, float]:
        return {"ratio": self.ratio}

    def pruned(self, network: Any, image: Any) -> Any:
        """The network, changed in place."""
        raise NotImplementedError

    def prepare(self, preparation: Preparation) -> None:
        from copy import deepcopy

        subject = preparation.subject
        subject.finetune(self.pruned(deepcopy(subject.network), subject.calibration(preparation, 1)), preparation)

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from safetensors.torch import load_file

        from .algorithm import count, fitted

        assert artifact is not None
        evidence = Evidence()

        def trained(network: Any) -> Any:
            seen = count(network)
            smaller = fitted(network, load_file(artifact / "weights.safetensors"))
            kept = count(smaller)
            evidence.record(filters_kept=kept.filters, filters_seen=seen.filters, parameters=kept.parameters)
            return smaller

        with subject.at("network", trained):
            yield evidence


@dataclass(frozen=True)
class L1Filters(FilterPruner):
    name = "l1_filters"
    traits = replace(FILTERS, controls=("finetune", "random_filters"))

    def pruned(self, network: Any, image: Any) -> Any:
        from .algorithm import l1_norms, prune

        return prune(network, image, self.ratio, l1_norms)


@dataclass(frozen=True)
class RandomFilters(FilterPruner):
    """The control: as many of each, drawn at random."""

    draw: int = knob(0, low=0, help="seeds the choice")

    name = "random_filters"
    traits = FILTERS

    def pruned(self, network: Any, image: Any) -> Any:
        from .algorithm import drawn, prune

        return prune(network, image, self.ratio, drawn(self.draw))


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [L1Filters, RandomFilters]
