"""Wanda: drop the weights whose magnitude times the norm of their input is smallest in a row (arXiv:2306.11695)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Method, Preparation, hookimpl, knob
from harness_plugins.subjects.causal_lm.calibrated import OnEssays
from harness_plugins.subjects.causal_lm.pruning import PRUNING, Pruner

NORMS = "norms.safetensors"  # of each layer's inputs, in the artifact's folder


@dataclass(frozen=True)
class Wanda(OnEssays, Pruner):
    calibration_texts: int = knob(32, low=1, help="texts that norms are taken over")
    calibration_tokens: int = knob(256, low=2, help="tokens of each")

    name = "wanda"
    traits = replace(PRUNING, controls=("magnitude",), prepares="calibrates")

    def prepare(self, preparation: Preparation) -> None:
        from safetensors.torch import save_file

        from .algorithm import norms

        found = norms(preparation.subject, preparation.materials["texts"], self.mask, preparation.progress)
        save_file(found, preparation.folder / NORMS)

    def kept(self, layers: Mapping[str, Any], artifact: Path | None) -> Iterator[tuple[str, Any]]:
        from safetensors.torch import load_file

        assert artifact is not None, "it calibrates before it is applied"
        found = load_file(artifact / NORMS)
        for name in layers:
            yield name, self.mask(layers[name].weight.detach(), found[name])

    def mask(self, weight: Any, norm: Any) -> Any:
        from harness_plugins.subjects.causal_lm.masks import lowest_of_rows, two_of_four

        from .algorithm import scores

        found = scores(weight, norm)
        return two_of_four(found) if self.pattern == "2:4" else lowest_of_rows(found, self.sparsity)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Wanda]
