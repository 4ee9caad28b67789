"""The residual networks for CIFAR, from a checkpoint on this machine or drawn by the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Model, hookimpl, knob
from harness_plugins.subjects.image_classifier.model import TrainableClassifier


@dataclass(frozen=True)
class CifarResNet(TrainableClassifier):
    depth: int = knob(20, choices=(20, 32, 44, 56, 110), help="layers with weights")

    name = "cifar_resnet"
    remedy = "set model.depth or model.classes"

    @property
    def label(self) -> str:
        return f"ResNet-{self.depth}"

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        return {**super().facts(location), "layers": self.depth}

    def network(self) -> Any:
        from harness_plugins.subjects.image_classifier.resnet import ResNet

        return ResNet(self.depth, self.classes, len(self.mean))


@hookimpl
def harness_models() -> list[type[Model]]:
    return [CifarResNet]
