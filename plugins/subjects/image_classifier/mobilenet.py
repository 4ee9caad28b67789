"""MobileNetV1 (arXiv:1704.04861) as papers on CIFAR use it: the stem and the second block keep the size."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

# Width of each block, and the stride of its depthwise convolution.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


class Separable(nn.Module):
    """A depthwise convolution, then one of 1 x 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class MobileNetV1(nn.Module):
    def __init__(self, classes: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        before = [32, *(width for width, _ in BLOCKS)]
        self.layers = nn.Sequential(
            *(Separable(inputs, width, stride) for inputs, (width, stride) in zip(before, BLOCKS, strict=False))
        )
        self.linear = nn.Linear(before[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.layers(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))
