"""Layer-wise quantization: more bits for the blocks that matter, fewer for the rest (arXiv:2406.17415)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.api import Evidence, KnobError, Method, Preparation, Source, hookimpl, knob
from harness_plugins.subjects.causal_lm.calibrated import OnEssays
from harness_plugins.subjects.causal_lm.quantization import QUANTIZATION, WeightQuantizer, already, pack_all, quantizer

IMPORTANCE = "importance.json"  # of each block, in the artifact's folder


@dataclass(frozen=True)
class LayerwiseQuant(OnEssays):
    score: str = knob(
        "lim",
        choices=("lim", "zd", "random", "first", "last"),
        help="what makes a block important: see the README; random, first and last are controls",
    )
    reverse: bool = knob(False, help="fewer bits for the most important blocks: the worst case")
    low_share: float = knob(0.5, low=0.0, high=1.0, help="share of the blocks that get low_bits, the least important")
    high_bits: int = knob(8, choices=(8, 4, 3), help="of the other blocks' weights")
    low_bits: int = knob(4, choices=(4, 3, 2), help="of the least important blocks' weights")
    base: str = knob("rtn", help="the quantizer: a method of family weight-quantization that takes bits and group")
    group: int = knob(64, low=0, help="neighbours in a row that share a scale; 0: the whole row")
    zd_sign: str = knob("fewer", choices=("fewer", "more"), help="whether fewer or more large weights are important")
    draw: int = knob(0, low=0, help="seeds the random order; 0 where none is drawn")
    calibration_texts: int = knob(16, low=1, help="texts that lim is a mean over")
    calibration_tokens: int = knob(256, low=2, help="tokens of each")

    name = "layerwise_quant"
    traits = replace(QUANTIZATION, evidence=QUANTIZATION.evidence | {"low_blocks"}, prepares="calibrates")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.score != "random":
            object.__setattr__(self, "draw", 0)  # a sweep over draws then has every other order once
        if self.low_bits >= self.high_bits:
            raise KnobError(
                f"layerwise_quant.low_bits must be below high_bits, got {self.low_bits} and {self.high_bits}; "
                "change one of them"
            )

    def nominal(self) -> dict[str, float]:
        return {"bits": self.low_share * self.low_bits + (1 - self.low_share) * self.high_bits}

    def check(self, facts: Mapping[str, Any]) -> None:
        for part in self.parts():
            part.check(facts)

    def notes(self, facts: Mapping[str, Any]) -> list[str]:
        return [already(facts)] if "stored_bits" in facts else []

    def unfit(self, facts: Mapping[str, Any]) -> str | None:
        return next((why for part in self.parts() if (why := part.unfit(facts))), None)

    def parts(self) -> Sequence[Method]:
        return tuple(self._bases.values())

    @cached_property
    def _bases(self) -> dict[int, WeightQuantizer]:
        kind = quantizer(self.base)
        return {bits: kind.build({"bits": bits, "group": self.group}) for bits in (self.high_bits, self.low_bits)}

    def sources(self) -> list[Source]:
        return super().sources() if self.score == "lim" else []

    def materials(self, processor: Any, seed: int) -> dict[str, Any]:
        return super().materials(processor, seed) if self.score == "lim" else {}

    def prepare(self, preparation: Preparation) -> None:
        from . import algorithm

        subject = preparation.subject
        if self.score == "lim":
            found = algorithm.input_modification(subject, preparation.materials["texts"], preparation.progress)
        elif self.score == "zd":
            found = algorithm.large_weights(subject)
            found = [-one for one in found] if self.zd_sign == "fewer" else found
        else:
            found = algorithm.without_looking(self.score, len(subject.blocks), self.draw)
        (preparation.folder / IMPORTANCE).write_text(json.dumps(found))

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from .algorithm import least

        assert artifact is not None, "it calibrates before it is applied"
        importance = json.loads((artifact / IMPORTANCE).read_text())
        low = least([-one for one in importance] if self.reverse else importance, self.low_share)
        bits = {
            name: self.low_bits if block in low else self.high_bits
            for block, names in enumerate(subject.linears.by_block())
            for name in names
        }
        evidence = Evidence()

        def act(layers: Any) -> None:
            evidence.record(**pack_all(layers, lambda name: self._bases[bits[name]]), low_blocks=len(low))

        with subject.at("weights", act):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [LayerwiseQuant]
