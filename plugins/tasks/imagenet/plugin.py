"""ImageNet: which of a thousand things a photograph shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import IncompatibleError, KnobError, Sample, Source, Task, hookimpl, knob
from harness_plugins.subjects.image_classifier.task import Images, ImageTask, kept


@dataclass(frozen=True)
class ImageNet(ImageTask):
    # What the images are is hashed as a source; where they lie changes nothing.
    path: str | None = knob(None, hashed=False, help="folder or .zip with the images, in class folders or flat")
    labels: str | None = knob(
        None,
        hashed=False,
        help="a line `<image> <class>` each, or the development kit; null where folders or names tell",
    )
    cropped: bool = knob(False, help="whether the images have the model's size already, and are taken as they are")
    samples: int = knob(500, low=1, hashed=False, help="images, of all there are in an order drawn by seed")
    calibration: int = knob(100, low=0, help="images at the end of that order, never tested: what calibrates sees them")
    loaders: int = knob(2, low=0, hashed=False, help="threads that decode images ahead of the model; 0 for none")

    name = "imagenet"
    model = "mobilenet_v2"
    classes = tuple(f"class {number}" for number in range(1000))

    def check(self, facts: Mapping[str, Any]) -> None:
        super().check(facts)
        if not facts.get("crops"):
            raise IncompatibleError("imagenet asks models that say how images are resized and cropped")

    def sources(self) -> list[Source]:
        from .images import listed

        images = listed(self.path, self.labels)
        most = len(images.names) - self.calibration
        if self.samples > most:
            raise KnobError(
                f"task.samples={self.samples}, but {images.source.name} has {len(images.names)} images, of which "
                f"task.calibration={self.calibration} are not tested; ask for {max(most, 0)} at most"
            )
        return [images.source]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .images import Photographs, listed, ordered

        images = listed(self.path, self.labels)
        return Photographs(images, ordered(images, seed)[: self.samples], crop(processor, self.cropped), self.loaders)

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        """For what calibrates alone: there is no recipe."""
        from .images import listed, ordered, pixels

        if not self.calibration:
            return {}
        import numpy as np

        images = listed(self.path, self.labels)
        chosen = ordered(images, seed)[-self.calibration :]
        held = np.stack([pixels(images, index, crop(processor, self.cropped)) for index in chosen])
        return {"images": kept(Images(held, [images.labels[index] for index in chosen], images.source))}


def crop(processor: Any, cropped: bool) -> Any:
    return None if cropped else processor


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [ImageNet]
