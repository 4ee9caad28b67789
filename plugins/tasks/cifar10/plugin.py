"""CIFAR-10: which of ten things a small photograph shows."""

from __future__ import annotations

from dataclasses import dataclass

from harness.api import Task, hookimpl, knob
from harness_plugins.subjects.image_classifier.task import Images, TrainingTask


@dataclass(frozen=True)
class Cifar10(TrainingTask):
    # What the images are is hashed as a source; where they lie changes nothing.
    path: str | None = knob(None, hashed=False, help="folder with the images: cifar-10-batches-py, or PNG strips")
    steps: int = knob(80, low=1, help="of training, a batch each")

    name = "cifar10"
    model = "cifar_resnet"
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def test_images(self) -> Images:
        from .images import read

        return read(self.path, "test")

    def train_images(self, seed: int) -> Images | None:
        from .images import read, trainable

        return read(self.path, "train") if trainable(self.path) else None


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Cifar10]
