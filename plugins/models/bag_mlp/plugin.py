"""A trunk for bags of instances: fully connected layers with ReLU, on each instance alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Device, KnobError, Model, hookimpl, knob


@dataclass(frozen=True)
class BagMLP(Model):
    hidden: tuple[int, ...] = knob((128,), low=1, help="width of each layer; the last is what is pooled")
    bias: bool = knob(False, help="whether its layers have a bias")
    dropout: float = knob(0.0, low=0.0, high=0.9, help="after each layer, while it trains")

    name = "bag_mlp"
    kind = "bag-classifier"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hidden:
            raise KnobError("bag_mlp.hidden takes the width of one layer or more, got none; remove it to use [128]")

    @property
    def label(self) -> str:
        return f"MLP {'-'.join(map(str, self.hidden))}"

    def fetch(self) -> dict[str, Any]:
        """There is nothing to fetch: it has no weights before a method trains it."""
        return {"path": str(Path(__file__).parent), "revision": "1"}

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        return {"width": self.hidden[-1]}

    def load(self, location: dict[str, Any], device: Device) -> Any:
        import torch

        from harness_plugins.subjects.bag_classifier.subject import LoadedBagClassifier

        torch.set_num_threads(device.threads)
        return LoadedBagClassifier(self.hidden, self.bias, self.dropout, device.kind)


@hookimpl
def harness_models() -> list[type[Model]]:
    return [BagMLP]
