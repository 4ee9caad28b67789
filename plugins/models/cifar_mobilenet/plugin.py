"""MobileNetV1 for CIFAR, from a checkpoint on this machine or drawn by the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Model, hookimpl
from harness_plugins.subjects.image_classifier.model import TrainableClassifier


@dataclass(frozen=True)
class CifarMobileNetV1(TrainableClassifier):
    name = "cifar_mobilenet_v1"
    label = "MobileNetV1"

    def network(self) -> Any:
        from harness_plugins.subjects.image_classifier.mobilenet import MobileNetV1

        return MobileNetV1(self.classes, len(self.mean))


@hookimpl
def harness_models() -> list[type[Model]]:
    return [CifarMobileNetV1]
