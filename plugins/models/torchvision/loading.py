"""torchvision's networks from weights alone."""

from __future__ import annotations

from typing import Any

from harness.api import Device, UsageError, nearest


def load(model: Any, path: str, device: Device) -> Any:
    import torch

    from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier
    from harness_plugins.subjects.image_classifier.weights import fill

    try:
        from torchvision import models
    except ImportError as error:
        raise UsageError('model=torchvision needs torchvision; pip install "harness-ml[vision]"') from error
    torch.set_num_threads(device.threads)
    known = models.list_models(module=models)
    if model.architecture not in known:
        raise UsageError(
            f"torchvision has no classifier {model.architecture!r}{nearest(model.architecture, known) or ''}"
        )

    def build() -> Any:
        return models.get_model(model.architecture, weights=None, num_classes=model.classes)

    network = build()
    fill(network, path, f"a {model.architecture} with {model.classes} classes; set model.architecture or model.classes")
    return LoadedImageClassifier(network, model.mean, model.std, device.kind, build)
