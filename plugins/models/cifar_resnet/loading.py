"""A network from its checkpoint, or as the seed draws it."""

from __future__ import annotations

from typing import Any

from harness.api import Device


def load(model: Any, path: str, device: Device) -> Any:
    import torch

    from harness_plugins.subjects.image_classifier.resnet import ResNet
    from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier
    from harness_plugins.subjects.image_classifier.weights import fill

    torch.set_num_threads(device.threads)

    def build() -> Any:
        return ResNet(model.depth, model.classes, len(model.mean))

    network = build()
    if model.checkpoint is not None:
        what = f"a ResNet-{model.depth} with {model.classes} classes; set model.depth or model.classes"
        fill(network, path, what)
    return LoadedImageClassifier(network, model.mean, model.std, device.kind, build)
