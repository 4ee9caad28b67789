"""Digits: the handwritten ones that scikit-learn ships."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from harness.api import Source, SourceError, Task, hookimpl, knob
from harness_plugins.subjects.image_classifier.task import Images, TrainingTask, digest_of

TESTED, ALL = 500, 1797


@dataclass(frozen=True)
class Digits(TrainingTask):
    samples: int = knob(TESTED, low=1, hashed=False, help="test images, of 500 in an order drawn by seed")
    labelled: int | None = knob(
        None, low=10, high=ALL - TESTED, help="training images, drawn by seed; null for all 1,297"
    )
    steps: int = knob(200, low=1, help="of training, a batch each")
    batch: int = knob(64, low=1, help="images a step")
    crop: int = knob(1, low=0, help="pixels by which training images are moved at most")
    flip: bool = knob(False, help="whether training images are flipped by chance")
    finetune_steps: int = knob(100, low=1, help="of what goes on from a trained model, a batch each")

    name = "digits"
    model = "digits_resnet"
    channels = 1
    classes = tuple("0123456789")

    def test_images(self) -> Images:
        return part("test", None, 0)

    def train_images(self, seed: int) -> Images:
        return part("train", self.labelled, seed)


@cache
def part(split: str, count: int | None, seed: int) -> Images:
    """The split is one for all; fewer training images are as many of each digit as can be."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise SourceError("task=digits needs scikit-learn; pip install scikit-learn") from error
    import numpy as np

    held = load_digits()
    order = list(range(ALL))
    Random(0).shuffle(order)
    chosen = order[:TESTED] if split == "test" else order[TESTED:]
    if count is not None:
        chosen = balanced(chosen, held.target.tolist(), count, seed)
    pixels = np.rint(held.images[chosen] * (255 / 16)).astype(np.uint8)[..., None]
    labels = [int(label) for label in held.target[chosen]]
    note = None if count is None else f"{count} of {ALL - TESTED:,}, another draw for each seed"
    digest = digest_of(held.images.astype(np.uint8), held.target.tolist())
    return Images(pixels, labels, Source("digits of scikit-learn", len(labels), digest, split, note))


def balanced(chosen: list[int], labels: list[int], count: int, seed: int) -> list[int]:
    """The first of each digit in an order drawn by seed, then the second of each, and so on."""
    drawn = list(chosen)
    Random(seed).shuffle(drawn)
    seen: dict[int, int] = {}
    rounds = []
    for index in drawn:
        seen[labels[index]] = seen.get(labels[index], 0) + 1
        rounds.append((seen[labels[index]], labels[index], index))
    return [index for _, _, index in sorted(rounds)[:count]]


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Digits]
