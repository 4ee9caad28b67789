"""A ResNet-8 with random weights, an image of 8 x 8, and sixteen to train on."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import torch

from harness.testing import Toy

from .resnet import ResNet
from .subject import LoadedImageClassifier

RECIPE = {
    "steps": 3,
    "batch": 8,
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "milestones": [0.5],
    "crop": 1,
    "flip": True,
}


def make() -> Toy:
    torch.manual_seed(0)
    teacher = LoadedImageClassifier(ResNet(14, 10), (0.5,) * 3, (0.25,) * 3, "cpu")
    subject = LoadedImageClassifier(ResNet(8, 10), (0.5,) * 3, (0.25,) * 3, "cpu", lambda: ResNet(8, 10))
    request = {"image": b64encode(bytes(range(192))).decode(), "size": [8, 8]}
    return Toy(
        subject,
        request,
        lambda: {name: value.tolist() for name, value in subject.network.state_dict().items()},
        training={"images": str(images()), "recipe": RECIPE, "finetune": {"steps": 2, "lr": 0.01}},
        inputs={"teacher": teacher},
    )


def images() -> Path:
    draws = np.random.default_rng(0)
    path = Path(tempfile.mkdtemp()) / "images.npz"
    np.savez(path, pixels=draws.integers(0, 256, (16, 8, 8, 3), np.uint8), labels=np.arange(16) % 10)
    return path
