"""What tasks on images share: the recipe to train by, and how logits are scored."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log
from random import Random
from typing import Any, ClassVar, NamedTuple

from harness.api import IncompatibleError, KnobError, Metric, Sample, Score, Source, Task, cache_folder, knob

RECIPE = ("steps", "batch", "lr", "momentum", "weight_decay", "milestones", "crop", "flip")


class Images(NamedTuple):
    pixels: Any  # uint8 [images, height, width, channels]
    labels: list[int]
    source: Source


@dataclass(frozen=True)
class ImageTask(Task):
    """Which class an image shows. A task says what its test images are."""

    samples: int = knob(1000, low=1, hashed=False, help="test images, of all there are in an order drawn by seed")

    batches: tuple[int, ...] = knob(
        (8, 32), low=1, prepared=False, help="sizes of the batches whose throughput is timed beside one image's latency"
    )

    revision = 2
    subjects = frozenset({"image-classifier"})
    classes: ClassVar[Sequence[str]]
    channels: ClassVar[int] = 3
    metrics = (
        Metric("top1", "%", True, aggregation="mean", scale=100.0),
        Metric("top5", "%", True, aggregation="mean", scale=100.0),
        Metric("loss", "nats", False, aggregation="mean"),
        Metric(
            "ece", "%", False, aggregation="mean", scale=100.0, statistic="ece", of=("label", "right", "confidence")
        ),
        Metric("label", "", True),
        Metric("right", "", True),
        Metric("confidence", "", True),
    )

    def test_images(self) -> Images:
        raise NotImplementedError

    def check(self, facts: Mapping[str, Any]) -> None:
        for what in ("classes", "channels"):
            mine = len(self.classes) if what == "classes" else self.channels
            if facts[what] != mine:
                raise IncompatibleError(f"{self.name} has {mine} {what}, the model {facts[what]}; choose another")

    def planned(self) -> int:
        return self.samples

    def sources(self) -> list[Source]:
        images = self.test_images()
        if self.samples > len(images.labels):
            raise KnobError(
                f"task.samples={self.samples}, but {images.source.name} has {len(images.labels)} test images; "
                "ask for no more"
            )
        return [images.source]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        images = self.test_images()
        order = list(range(len(images.labels)))
        Random(seed).shuffle(order)
        return [
            Sample(
                number,
                self.classes[images.labels[index]],
                {
                    "image": b64encode(images.pixels[index].tobytes()).decode(),
                    "size": list(images.pixels[index].shape[:2]),
                },
                images.labels[index],
                f"test image {index}",
            )
            for number, index in enumerate(order[: self.samples])
        ]

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        logits, label = output["logits"], sample.target
        # Ties count against it, and so does what is no number: a network that died is never right.
        above = sum(not logit < logits[label] for logit in logits) - 1
        right = float(above < 1)
        ranks = [Score("top1", right), Score("top5", float(above < 5)), Score("right", right)]
        ranks.append(Score("label", float(label)))
        if not all(map(isfinite, logits)):
            why = "logits are not all finite"
            return [*ranks, Score("loss", None, why), Score("confidence", None, why)]
        top = max(logits)
        whole = sum(exp(logit - top) for logit in logits)
        return [*ranks, Score("loss", top + log(whole) - logits[label]), Score("confidence", 1 / whole)]

    def timed(self, sample: Sample) -> dict[str, Any]:
        return {**sample.request, "batches": list(self.batches)}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return self.classes[output["logits"].index(max(output["logits"]))]


@dataclass(frozen=True)
class TrainingTask(ImageTask):
    """With images to train on, and the recipe and budget of everything that is trained on them."""

    steps: int = knob(1000, low=1, help="of training, a batch each")
    batch: int = knob(128, low=1, help="images a step")
    lr: float = knob(0.1, low=0.0, help="learning rate at first; a tenth of it after each milestone")
    momentum: float = knob(0.9, low=0.0, high=1.0, help="of SGD")
    weight_decay: float = knob(1e-4, low=0.0, help="of all weights")
    milestones: tuple[float, ...] = knob((0.5, 0.75), help="shares of the steps after which the rate falls")
    crop: int = knob(4, low=0, help="pixels by which training images are moved at most")
    flip: bool = knob(True, help="whether training images are flipped by chance")
    finetune_steps: int = knob(80, low=1, help="of what goes on from a trained model, a batch each")
    finetune_lr: float = knob(0.01, low=0.0, help="learning rate at first of what goes on from a trained model")

    def train_images(self, seed: int) -> Images | None:
        """None: there are none."""
        return None

    def sources(self) -> list[Source]:
        train = self.train_images(0)
        named = [replace(train.source, name=f"{train.source.name}, training part")] if train else []
        return super().sources() + named  # a run keeps a source for each name

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        images = self.train_images(seed)
        if images is None:
            return {}
        recipe = {name: self.settings()[name] for name in RECIPE}
        finetune = {"steps": self.finetune_steps, "lr": self.finetune_lr}
        return {"images": kept(images), "recipe": recipe, "finetune": finetune}


def digest_of(pixels: Any, labels: Sequence[int]) -> str:
    return hashlib.sha256(pixels.tobytes() + b"".join(label.to_bytes(2, "big") for label in labels)).hexdigest()


def kept(images: Images) -> str:
    """The file that workers train from, in the cache under what it holds."""
    import numpy as np

    path = cache_folder() / "images" / f"{digest_of(images.pixels, images.labels)[:16]}.npz"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
        np.savez(part, pixels=images.pixels, labels=np.array(images.labels, np.int32))
        os.replace(part, path)
    return str(path)
