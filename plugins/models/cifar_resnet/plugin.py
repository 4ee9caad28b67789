"""The residual networks for CIFAR, from a checkpoint on this machine or drawn by the seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import Device, Model, SourceError, file_digest, hookimpl, knob


@dataclass(frozen=True)
class CifarResNet(Model):
    depth: int = knob(20, choices=(20, 32, 44, 56, 110), help="layers with weights")
    classes: int = knob(10, low=2, help="classes that the checkpoint tells apart")
    # What the file holds is hashed as the model's revision; where it lies changes nothing.
    checkpoint: str | None = knob(
        None,
        hashed=False,
        help="weights, .safetensors or a file of torch's; null to train by the task's recipe",
    )
    mean: tuple[float, ...] = knob((0.485, 0.456, 0.406), help="of each channel, subtracted from pixels in 0 to 1")
    std: tuple[float, ...] = knob((0.229, 0.224, 0.225), help="what they are then divided by")

    name = "cifar_resnet"
    kind = "image-classifier"

    @property
    def label(self) -> str:
        return f"ResNet-{self.depth}"

    @property
    def untrained(self) -> bool:
        return self.checkpoint is None

    def notes(self) -> list[str]:
        return ["the model was trained here, from a seed, by the task's recipe"] if self.untrained else []

    def fetch(self) -> dict[str, Any]:
        if self.checkpoint is None:
            return {"path": "", "revision": "drawn by the run's seed"}
        path = Path(self.checkpoint).expanduser().resolve()
        if not path.is_file():
            raise SourceError(f"model.checkpoint={self.checkpoint} is no file; give the path of a checkpoint")
        return {"path": str(path), "revision": file_digest(path)}

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        return {"classes": self.classes, "layers": self.depth, "channels": len(self.mean)}

    def load(self, location: dict[str, Any], device: Device) -> Any:
        from .loading import load

        return load(self, location["path"], device)


@hookimpl
def harness_models() -> list[type[Model]]:
    return [CifarResNet]
