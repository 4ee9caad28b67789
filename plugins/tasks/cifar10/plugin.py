"""CIFAR-10 and CIFAR-100: which of ten, or a hundred, things a small photograph shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.api import Task, hookimpl, knob
from harness_plugins.subjects.image_classifier.task import Images, TrainingTask


@dataclass(frozen=True)
class Cifar(TrainingTask):
    # What the images are is hashed as a source; where they lie changes nothing.
    path: str | None = knob(
        None, hashed=False, help="the official archive, its folder, or one with PNG strips; or download"
    )
    steps: int = knob(80, low=1, help="of training, a batch each")

    classes: ClassVar[Sequence[str]] = ()

    def test_images(self) -> Images:
        from .images import read

        return read(self.name, self.path, "test")

    def train_images(self, seed: int) -> Images | None:
        from .images import read, trainable

        return read(self.name, self.path, "train") if trainable(self.name, self.path) else None


@dataclass(frozen=True)
class Cifar10(Cifar):
    name = "cifar10"
    model = "cifar_resnet"
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Cifar100(Cifar):
    name = "cifar100"
    model = "cifar100_resnet"
    classes = tuple(f"class {number}" for number in range(100))


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Cifar10, Cifar100]
