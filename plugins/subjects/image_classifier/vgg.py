"""VGG-16 with batch normalisation as papers on CIFAR use it: one linear layer in place of three."""

from __future__ import annotations

import torch
from torch import nn

WIDTHS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)


class VGG16(nn.Module):
    """Thirteen convolutions in five stages, each stage pooled to half its size. Images of 32 x 32 end as one place."""

    def __init__(self, classes: int, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for stage in WIDTHS:
            for width in stage:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
