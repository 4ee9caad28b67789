"""ShortGPT: remove the layers that change hidden states least, by block influence (arXiv:2403.03853)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Method, Preparation, hookimpl, knob
from harness_plugins.subjects.causal_lm.calibrated import OnEssays
from harness_plugins.subjects.causal_lm.skipping import SKIPPING, Skipper

KEPT = "influence.json"  # of each block, in the artifact's folder


@dataclass(frozen=True)
class ShortGPT(OnEssays, Skipper):
    target_speedup: float = knob(1.39, low=1.0, help="blocks there are ÷ blocks that run, rounded down to whole blocks")
    skip_prefill: bool = knob(True, help="the layers are removed; false: a prompt passes all of them")
    calibration_texts: int = knob(8, low=1, help="texts that influence is a mean over")
    calibration_tokens: int = knob(256, low=2, help="tokens of each")

    name = "shortgpt"
    traits = replace(SKIPPING, prepares="calibrates")

    def prepare(self, preparation: Preparation) -> None:
        import torch

        from .algorithm import influence

        subject, texts = preparation.subject, preparation.materials["texts"]
        total = [0.0] * len(subject.blocks)

        def add(block: int, given: Any, made: Any) -> None:
            total[block] += influence(given, made)

        with torch.no_grad(), subject.blocks.watched(add):
            for ids in texts:
                subject.prefill({"context": ids}, frozenset())
                preparation.progress()
        (preparation.folder / KEPT).write_text(json.dumps([one / len(texts) for one in total]))

    def kept(self, blocks: int, artifact: Path | None) -> frozenset[int]:
        from .algorithm import most_influential

        assert artifact is not None, "it calibrates before it is applied"
        return frozenset(most_influential(json.loads((artifact / KEPT).read_text()), self.count(blocks)))


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [ShortGPT]
