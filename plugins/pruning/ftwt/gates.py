"""What opens and closes channels: predictors, and the two controls, each a gate of every unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from zlib import crc32

import torch
from torch import nn

from .algorithm import keep_largest, mask_loss

Target: TypeAlias = Callable[[torch.Tensor], torch.Tensor]  # a unit's dense output to the gates wanted


class Gates(nn.Module):
    """Gates of all units. `losses` holds what each unit has to learn in this pass."""

    head_macs = (0,)

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[torch.Tensor] = []

    def see(self, images: torch.Tensor) -> None:
        """The images of the pass that begins."""

    def choose(self, unit: int, pooled: torch.Tensor) -> torch.Tensor:
        """[images, channels] of bool, from the unit's pooled input [images, inputs]."""
        raise NotImplementedError

    def learn(self, unit: int, pooled: torch.Tensor, output: torch.Tensor) -> None:
        """From the dense output."""


class Predicted(Gates):
    """A linear layer for each unit on the softmax of its pooled input."""

    def __init__(self, shapes: Sequence[tuple[int, int]], target: Target, joint: bool, softmax: bool) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in shapes)
        self.target, self.joint, self.softmax = target, joint, softmax
        self.head_macs = tuple(inputs * outputs for inputs, outputs in shapes)

    def logits(self, unit: int, pooled: torch.Tensor) -> torch.Tensor:
        return self.heads[unit](pooled.softmax(1) if self.softmax else pooled)

    def choose(self, unit: int, pooled: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.logits(unit, pooled) > 0

    def learn(self, unit: int, pooled: torch.Tensor, output: torch.Tensor) -> None:
        z = self.logits(unit, pooled if self.joint else pooled.detach())
        self.losses.append(mask_loss(z, self.target(output)))


class Fixed(Gates):
    """The same channels for all images: those whose filters have the largest L1 norms."""

    def __init__(self, convolutions: Sequence[nn.Conv2d], kept: Sequence[int]) -> None:
        super().__init__()
        for unit, (conv, count) in enumerate(zip(convolutions, kept, strict=True)):
            norms = conv.weight.detach().abs().sum((1, 2, 3))[None]
            self.register_buffer(f"kept{unit}", keep_largest(norms, count))

    def choose(self, unit: int, pooled: torch.Tensor) -> torch.Tensor:
        return self.get_buffer(f"kept{unit}").expand(len(pooled), -1)


class Drawn(Gates):
    """As many channels, drawn anew for each image. In training from torch's generator, else from the image."""

    def __init__(self, channels: Sequence[int], kept: Sequence[int], draw: int) -> None:
        super().__init__()
        self.channels, self.kept, self.draw = list(channels), list(kept), draw
        self.generator: Any = None

    def see(self, images: torch.Tensor) -> None:
        self.generator = None
        if not self.training:
            self.generator = torch.Generator().manual_seed(crc32(images.cpu().numpy().tobytes(), self.draw))

    def choose(self, unit: int, pooled: torch.Tensor) -> torch.Tensor:
        scores = torch.rand(len(pooled), self.channels[unit], generator=self.generator)
        return keep_largest(scores, self.kept[unit]).to(pooled.device)
