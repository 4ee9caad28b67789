"""A ResNet-8 with random weights, and an image of 8 x 8."""

from __future__ import annotations

from base64 import b64encode

import torch

from harness.testing import Toy

from .resnet import ResNet
from .subject import LoadedImageClassifier


def make() -> Toy:
    torch.manual_seed(0)
    subject = LoadedImageClassifier(ResNet(8, 10), (0.5,) * 3, (0.25,) * 3, "cpu")
    request = {"image": b64encode(bytes(range(192))).decode(), "size": [8, 8]}
    return Toy(subject, request, lambda: {name: value.tolist() for name, value in subject.network.state_dict().items()})
