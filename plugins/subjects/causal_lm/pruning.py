"""What methods that set weights to zero have in common, on any subject with a seam `weights`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Evidence, KnobError, Method, Traits, knob

from .quantization import DENSE

PRUNING = Traits(
    family="pruning",
    subjects=frozenset({"causal-lm"}),
    seams=frozenset({"weights"}),
    evidence=frozenset({"zeros", "weights"}),
    requires=frozenset({DENSE}),
    simulated=True,  # zeros are stored and multiplied like any other number
)


@dataclass(frozen=True)
class Pruner(Method):
    """Zeroes a share of the weights, and proves it by counting them."""

    sparsity: float = knob(
        0.5, low=0.0, high=0.99, help="share of the weights zeroed, of all layers that the seam `weights` has"
    )
    pattern: str = knob(
        "free", choices=("free", "2:4"), help="free: any weights; 2:4: two of each four neighbours in a row"
    )

    neutral = {"sparsity": 0.0, "pattern": "free"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pattern == "2:4" and self.sparsity != 0.5:
            raise KnobError(
                f"{self.name}.pattern=2:4 zeroes half of the weights, got sparsity={self.sparsity:g}; "
                "set sparsity to 0.5, or pattern to free"
            )

    def nominal(self) -> dict[str, float]:
        return {"sparsity": self.sparsity}

    def kept(self, layers: Mapping[str, Any], artifact: Path | None) -> Iterator[tuple[str, Any]]:
        """For each layer by name, which of its weights stay: true or false, in the shape of the weight."""
        raise NotImplementedError

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from .masks import masked

        evidence = Evidence()

        def act(layers: Any) -> None:
            zeros, weights = 0, 0
            for name, mask in self.kept(layers, artifact):
                layers.put(name, masked(layers[name], mask))
                zeros += int((layers[name].weight == 0).sum())
                weights += mask.numel()
            evidence.record(zeros=zeros, weights=weights)

        with subject.at("weights", act):
            yield evidence
