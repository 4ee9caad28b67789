"""Where a network's units lie: convolutions with their normalisation, in the order they are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from harness.api import IncompatibleError
from harness_plugins.subjects.image_classifier.mobilenet import MobileNetV1
from harness_plugins.subjects.image_classifier.resnet import ResNet
from harness_plugins.subjects.image_classifier.vgg import VGG16


class Unit(NamedTuple):
    conv: nn.Conv2d
    norm: nn.BatchNorm2d
    active: bool  # whether a ReLU follows

    @property
    def depthwise(self) -> bool:
        return self.conv.groups > 1


@dataclass(frozen=True)
class Piece:
    """Units one after another. With a shortcut, what came in is added to what they give, all channels of it."""

    units: tuple[Unit, ...]
    shortcut: Callable[[torch.Tensor], torch.Tensor] | None = None
    pool: nn.Module | None = None


def pieces(network: Any) -> list[Piece]:
    """As in the released code: in ResNets the stem, then both convolutions of each block, the second before the add;
    in VGG every convolution; in MobileNetV1 the stem, depthwise and pointwise convolutions."""
    if isinstance(network, VGG16):
        found: list[Piece] = []
        layers = list(network.features)
        for place, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                after = layers[place + 3]
                pool = after if isinstance(after, nn.MaxPool2d) else None
                found.append(Piece((Unit(layer, layers[place + 1], True),), pool=pool))
        return found
    if not isinstance(network, ResNet | MobileNetV1):
        raise IncompatibleError(
            "ftwt gates CIFAR ResNets, VGG-16-BN and MobileNetV1; use model=cifar_resnet, digits_resnet, "
            "cifar_vgg16_bn or cifar_mobilenet_v1"
        )
    stem = Piece((Unit(network.conv1, network.bn1, True),))
    blocks = network.blocks if isinstance(network, ResNet) else network.layers
    residual = isinstance(network, ResNet)
    return [
        stem,
        *(
            Piece(
                (Unit(one.conv1, one.bn1, True), Unit(one.conv2, one.bn2, not residual)),
                one.shortcut if residual else None,
            )
            for one in blocks
        ),
    ]


def units(network: Any) -> list[Unit]:
    return [unit for piece in pieces(network) for unit in piece.units]


def shapes(network: Any) -> list[tuple[int, int]]:
    """Inputs and outputs of each unit."""
    return [(unit.conv.in_channels, unit.conv.out_channels) for unit in units(network)]


def classifier(network: Any) -> nn.Module:
    found: nn.Module = network.classifier if isinstance(network, VGG16) else network.linear
    return found
