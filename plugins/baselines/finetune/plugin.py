"""Finetune: the model as it is, trained on: what a method that starts from a trained model is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Evidence, Method, Preparation, Traits, hookimpl


@dataclass(frozen=True)
class Finetune(Method):
    name = "finetune"
    traits = Traits(
        family="baseline",
        subjects=frozenset({"image-classifier"}),
        seams=frozenset({"network"}),
        evidence=frozenset({"moved"}),
        prepares="trains",
    )

    def prepare(self, preparation: Preparation) -> None:
        from copy import deepcopy

        preparation.subject.finetune(deepcopy(preparation.subject.network), preparation)

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from safetensors.torch import load_file

        assert artifact is not None
        evidence, weights = Evidence(), load_file(artifact / "weights.safetensors")

        def trained(network: Any) -> Any:
            before = {name: one.detach().clone() for name, one in network.named_parameters()}
            network.load_state_dict(weights)
            moved = sum(float(((one.detach() - before[name]) ** 2).sum()) for name, one in network.named_parameters())
            evidence.record(moved=moved**0.5)
            return network

        with subject.at("network", trained):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Finetune]
