"""Bags drawn by seed and number, each in a file of its own in the cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from harness.api import Sample
from harness_plugins.subjects.bag_classifier import bags

FOLD = "all"


def clusters(task: Any, label: int, random: np.random.Generator) -> list[list[int]]:
    """Which instances of a bag lie in which cluster: half and half, at places drawn at random."""
    if not label:
        return []
    drawn = random.permutation(task.instances)[: task.members]
    return [sorted(map(int, part)) for part in (drawn[::2], drawn[1::2])]


def draw(task: Any, seed: int, part: str, number: int) -> tuple[np.ndarray, list[list[int]]]:
    """float32 [instances, features]: standard normal, a cluster moved away along a direction of its own."""
    label = number % 2
    centres = np.random.default_rng([seed, 0]).normal(size=(2, task.features))
    centres *= task.distance / np.linalg.norm(centres, axis=1, keepdims=True)
    random = np.random.default_rng([seed, 1 + (part == "test"), number])
    bag, found = random.normal(size=(task.instances, task.features)), clusters(task, label, random)
    for members, centre in zip(found, centres, strict=False):
        bag[members] += centre
    return bag.astype(np.float32), found


def kept(name: list[Any], make: Any) -> dict[str, Any]:
    """File, rows and checksum of a bag; made unless it is there."""
    file = f"bags/synthetic-{sha256(json.dumps(name).encode()).hexdigest()[:20]}.npy"
    if not bags.place(file).exists():
        made = make()
        bags.write(bags.place(file), lambda opened: np.save(opened, made))
    return {"file": file, "rows": None, "sha256": bags.checksum(bags.read(file))}


def placed(task: Any, seed: int, part: str, number: int) -> dict[str, Any]:
    shape = [task.instances, task.features, task.rare, task.distance]
    return kept([*shape, seed, part, number], lambda: draw(task, seed, part, number)[0])


def bag_of_noise(instances: int, features: int) -> dict[str, Any]:
    def make() -> np.ndarray:
        return np.random.default_rng(0).standard_normal((instances, features), dtype=np.float32)

    return kept(["noise", instances, features], make)


def training(task: Any, seed: int) -> dict[str, Any]:
    return {
        "bags": [{**placed(task, seed, "train", number), "label": number % 2} for number in range(task.bags)],
        "classes": 2,
        "folds": {FOLD: {"train": list(range(task.bags))}},
        "epochs": task.epochs,
        "learning_rate": task.learning_rate,
        "weight_decay": task.weight_decay,
        "standardise": True,
    }


class Samples(Sequence[Sample]):
    def __init__(self, task: Any, seed: int) -> None:
        self.task, self.seed = task, seed

    def __len__(self) -> int:
        return int(self.task.samples)

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        label = number % 2
        return Sample(
            number,
            "bags",
            {
                **placed(self.task, self.seed, "test", number),
                "classes": 2,
                "fold": FOLD,
                "attention": True,
            },
            {"label": label, "clusters": draw(self.task, self.seed, "test", number)[1]},
            f"{'positive' if label else 'negative'} bag {number}",
            cluster=FOLD,
        )
