"""What models share whose network is built here: weights from a checkpoint, or drawn by the seed and trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.api import Device, Model, SourceError, file_digest, knob


@dataclass(frozen=True)
class TrainableClassifier(Model):
    """A subclass says what its `network` is, and what a checkpoint that does not fit should have held."""

    classes: int = knob(10, low=2, help="classes it tells apart")
    # What the file holds is hashed as the model's revision; where it lies changes nothing.
    checkpoint: str | None = knob(
        None,
        hashed=False,
        help="weights, .safetensors or a file of torch's; null to train by the task's recipe",
    )
    mean: tuple[float, ...] = knob((0.485, 0.456, 0.406), help="of each channel, subtracted from pixels in 0 to 1")
    std: tuple[float, ...] = knob((0.229, 0.224, 0.225), help="what they are then divided by")

    kind = "image-classifier"
    remedy: ClassVar[str] = "set model.classes"  # where a checkpoint does not fit

    def network(self) -> Any:
        """With weights drawn from torch's generator."""
        raise NotImplementedError

    @property
    def untrained(self) -> bool:
        return self.checkpoint is None

    def notes(self) -> list[str]:
        return ["the model was trained here, from a seed, by the task's recipe"] if self.untrained else []

    def fetch(self) -> dict[str, Any]:
        if self.checkpoint is None:
            return {"path": "", "revision": "drawn by the run's seed"}
        path = given(self.checkpoint)
        return {"path": str(path), "revision": file_digest(path)}

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        return {"classes": self.classes, "channels": len(self.mean)}

    def load(self, location: dict[str, Any], device: Device) -> Any:
        import torch

        from .subject import LoadedImageClassifier
        from .weights import fill

        torch.set_num_threads(device.threads)
        network = self.network()
        if self.checkpoint is not None:
            fill(network, location["path"], f"a {self.label} with {self.classes} classes; {self.remedy}")
        return LoadedImageClassifier(network, self.mean, self.std, device.kind, self.network)


def given(checkpoint: str) -> Path:
    """
    Raises:
        SourceError: it is no file.
    """
    path = Path(checkpoint).expanduser().resolve()
    if not path.is_file():
        raise SourceError(f"model.checkpoint={checkpoint} is no file; give the path of a checkpoint")
    return path
