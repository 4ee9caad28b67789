"""VGG-16 with batch normalisation for CIFAR, from a checkpoint on this machine or drawn by the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Model, hookimpl
from harness_plugins.subjects.image_classifier.model import TrainableClassifier


@dataclass(frozen=True)
class CifarVGG16(TrainableClassifier):
    name = "cifar_vgg16_bn"
    label = "VGG-16-BN"

    def network(self) -> Any:
        from harness_plugins.subjects.image_classifier.vgg import VGG16

        return VGG16(self.classes, len(self.mean))


@hookimpl
def harness_models() -> list[type[Model]]:
    return [CifarVGG16]
