"""Twelve bags of two to four instances in five dimensions, in two folds; positive ones are shifted."""

from __future__ import annotations

import hashlib

import numpy as np

from harness.testing import Toy

from . import bags
from .subject import LoadedBagClassifier


def make() -> Toy:
    rng = np.random.default_rng(0)
    found = [rng.normal(label, 1, (2 + number % 3, 5)) for number, label in enumerate([0, 1] * 6)]
    numbers = np.concatenate(found).astype(np.float32)
    ends = np.cumsum([len(one) for one in found]).tolist()
    file = f"bags/toy-{hashlib.sha256(numbers.tobytes()).hexdigest()[:12]}.npy"
    bags.write(bags.place(file), lambda opened: np.save(opened, numbers))
    requests = [
        {"file": file, "rows": [end - len(one), end], "sha256": bags.checksum(one), "label": number % 2}
        for number, (one, end) in enumerate(zip(found, ends, strict=True))
    ]
    training = {
        "bags": requests,
        "classes": 2,
        "folds": {"even": {"train": list(range(4, 12))}, "odd": {"train": list(range(8))}},
        "epochs": 2,
        "learning_rate": 1e-3,
        "weight_decay": 1e-5,
        "standardise": True,
    }
    asked = {**requests[0], "classes": 2, "fold": "even", "attention": True}
    subject = LoadedBagClassifier((8,), bias=False, dropout=0.0, device="cpu")
    return Toy(subject, asked, lambda: (list(subject.actions), subject.marker), training=training)
