"""torchvision's networks from weights alone, and images as they want them."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.api import Device, UsageError, nearest


class Crop(NamedTuple):
    """The shorter side resized, the centre cut out, as torchvision's presets for classification do."""

    resize: int
    crop: int
    interpolation: str

    def __call__(self, image: Any) -> Any:
        from PIL import Image

        width, height = image.size
        short = min(width, height)
        size = (self.resize * width // short, self.resize * height // short)
        how = Image.Resampling.BILINEAR if self.interpolation == "bilinear" else Image.Resampling.BICUBIC
        image = image.resize(size, how) if short != self.resize else image
        left, top = round((image.width - self.crop) / 2), round((image.height - self.crop) / 2)
        return image.crop((left, top, left + self.crop, top + self.crop))


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
