"""Image classifiers: what methods and tasks may know of them without loading one.

A request to an image classifier is a plain dict:

    image      its bytes, row by row, pixel by pixel, in base64: as stored, neither normalised nor cropped
    size       [height, width]
    batches    sizes of the batches whose throughput is timed beside this one image; they hold it so many times

and its output is `{"logits": [one for each class]}`. Normalisation is the model's, done before the clock's
`input` mark, so that it is never counted as the network's time. What it may be trained on is

    images     a file of numpy's (.npz): `pixels`, uint8 [images, height, width, channels], and `labels`
    recipe     how to train: the settings of `task.py: TrainingTask` from `steps` to `flip`
    finetune   what of the recipe is otherwise for what goes on from a trained network: `steps`, `lr`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.api import Seam, Subject, hookimpl


class ImageClassifier(Subject):
    kind = "image-classifier"
    revision = 2
    seams: ClassVar[Mapping[str, Seam]] = {
        "weights": Seam("called once with the Layers that have weights, to put others in their place", held=True),
        "network": Seam("called once with a copy of the network; what it returns answers in its place", held=True),
    }

    @classmethod
    def toy(cls) -> Any:
        from .toy import make

        return make()


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [ImageClassifier]
