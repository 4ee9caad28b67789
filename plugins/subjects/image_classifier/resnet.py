"""The residual networks for CIFAR of He et al. (arXiv:1512.03385, section 4.2), with shortcuts of option A."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.added = stride, (outputs - inputs) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))

    def shortcut(self, x: torch.Tensor) -> torch.Tensor:
        """Option A: every second pixel, and channels of zeros on both sides; no parameters."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added, self.added))


class ResNet(nn.Module):
    """6n + 2 layers: three stages of n blocks."""

    def __init__(self, depth: int, classes: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        before = WIDTHS[0]
        for stage, width in enumerate(WIDTHS, start=1):
            strides = [1 if stage == 1 else 2] + [1] * ((depth - 2) // 6 - 1)
            blocks = [Block(before if n == 0 else width, width, stride) for n, stride in enumerate(strides)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            before = width
        self.linear = nn.Linear(WIDTHS[-1], classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    @property
    def blocks(self) -> list[Block]:
        return [*self.layer1, *self.layer2, *self.layer3]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))
