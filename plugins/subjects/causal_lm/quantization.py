"""What weight quantizers of language models have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Evidence, KnobError, Method, Traits, knob

DENSE = "weights as numbers of their own"  # broken by what packs them

QUANTIZATION = Traits(
    family="weight-quantization",
    subjects=frozenset({"causal-lm"}),
    seams=frozenset({"weights"}),
    evidence=frozenset({"bits", "packed_bytes", "weights"}),
    requires=frozenset({DENSE}),
    breaks=frozenset({DENSE}),
)


@dataclass(frozen=True)
class WeightQuantizer(Method):
    """Packs the linear layers of all blocks. Embeddings, norms and the head stay as they are."""

    bits: int = knob(4, choices=(8, 4, 3, 2), help="of a weight's code")
    group: int = knob(64, low=0, help="neighbours in a row that share a scale; 0: the whole row")

    def nominal(self) -> dict[str, float]:
        return {"bits": float(self.bits)}

    def codes(self, weight: Any) -> Any:
        """The Codes (packed.py) of one layer's weights, [outputs, inputs]."""
        raise NotImplementedError

    def notes(self, facts: Mapping[str, Any]) -> list[str]:
        return [already(facts)] if "stored_bits" in facts else []

    def unfit(self, facts: Mapping[str, Any]) -> str | None:
        if self.bits != facts.get("stored_bits") or not 0 < self.group <= facts["stored_block"]:
            return None
        return (
            f"{self.name} with {self.bits} bits in groups of {self.group} finds again what this model's weights were "
            f"before, {facts['stored_bits']}-bit blocks of {facts['stored_block']}: use larger groups"
        )

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        evidence = Evidence()

        def act(layers: Any) -> None:
            evidence.record(**pack_all(layers, lambda name: self))

        with subject.at("weights", act):
            yield evidence


def pack_all(layers: Any, quantizer_of: Any) -> dict[str, float]:
    """Packs every layer with the quantizer for its name; returns the evidence, counted in what was stored."""
    from .packed import PackedLinear

    stored, weights = 0, 0
    for name in layers:
        layer = layers[name]
        packed = PackedLinear(quantizer_of(name).codes(layer.weight.detach()), layer.bias, layer.weight.dtype)
        layers.put(name, packed)
        stored += packed.stored_bytes()
        weights += layer.weight.numel()
    return {"bits": 8 * stored / weights, "packed_bytes": stored, "weights": weights}


def already(facts: Mapping[str, Any]) -> str:
    """A warning for models whose weights have been in few bits before."""
    bits, block = facts["stored_bits"], facts["stored_block"]
    return (
        f"the weights come from {bits}-bit blocks of {block}: quantizing them again to {bits} bits in groups of "
        f"{block} or fewer gives them back nearly as they are, and other settings start from rounded values"
    )


def quantizer(name: str) -> type[WeightQuantizer]:
    """One of those that plugins offer.

    Raises:
        KnobError: there is none of this name.
    """
    found = {one.name: one for one in offered(WeightQuantizer)}
    if name not in found:
        raise KnobError(
            f"there is no weight quantizer {name!r} that takes bits and group; choose {', '.join(sorted(found))}"
        )
    return found[name]


def offered(kind: type[WeightQuantizer]) -> Iterator[type[WeightQuantizer]]:
    for one in kind.__subclasses__():
        yield one
        yield from offered(one)
