"""A CIFAR ResNet whose units, convolution with normalisation, compute the channels that their gates open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from harness.api import IncompatibleError

from .gates import Gates

Told = Callable[[dict[str, float]], None]


class Unit(NamedTuple):
    conv: nn.Conv2d
    norm: nn.BatchNorm2d
    active: bool  # whether a ReLU follows


def units(network: Any) -> list[Unit]:
    """The stem, then both convolutions of each block, the second before the residual add."""
    if not hasattr(network, "blocks") or not hasattr(network, "linear"):
        raise IncompatibleError("ftwt gates CIFAR ResNets; use model=cifar_resnet or digits_resnet")
    found = [Unit(network.conv1, network.bn1, True)]
    for block in network.blocks:
        found += [Unit(block.conv1, block.bn1, True), Unit(block.conv2, block.bn2, False)]
    return found


def shapes(network: Any) -> list[tuple[int, int]]:
    """Inputs and outputs of each unit."""
    return [(unit.conv.in_channels, unit.conv.out_channels) for unit in units(network)]


class Costs:
    """MACs of the convolutions for one image, and the share of channels computed."""

    def __init__(self) -> None:
        self.macs, self.paper, self.open = 0.0, 0.0, list[float]()
        self.before: float | None = None

    def add(self, unit: Unit, inputs: float, kept: float, places: int) -> None:
        """`inputs`: channels that really come in. The paper takes those that the unit before it kept."""
        kernel = unit.conv.kernel_size[0] * unit.conv.kernel_size[1] * places
        self.macs += kept * inputs * kernel
        self.paper += kept * (inputs if self.before is None else self.before) * kernel
        self.open.append(kept / unit.conv.out_channels)
        self.before = kept

    def told(self, heads: float = 0.0) -> dict[str, float]:
        return {
            "active_channels": sum(self.open) / len(self.open),
            "macs": self.macs + heads,
            "paper_macs": self.paper,
        }


class Gated(nn.Module):
    """Batches, and all of training, compute densely and multiply by the gates. One image alone computes the open
    channels and no other; the numbers are the same."""

    def __init__(self, network: Any, gates: Gates, pool: str = "mean") -> None:
        super().__init__()
        self.network, self.gates, self.pool = network, gates, pool
        self.tell: Told | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.gates.see(images)
        self.gates.losses = []
        alone = not self.training and len(images) == 1
        return self.skipped(images) if alone else self.masked(images)

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) if self.pool == "mean" else x.amax((2, 3))

    # Every channel computed.

    def masked(self, images: torch.Tensor) -> torch.Tensor:
        x = self.mask(0, images)
        for number, block in enumerate(self.network.blocks):
            x = F.relu(self.mask(2 * number + 2, self.mask(2 * number + 1, x)) + block.shortcut(x))
        return self.network.linear(x.mean((2, 3)))

    def mask(self, number: int, x: torch.Tensor) -> torch.Tensor:
        unit, pooled = units(self.network)[number], self.pooled(x)
        output = unit.norm(unit.conv(x))
        output = F.relu(output) if unit.active else output
        if self.training:
            self.gates.learn(number, pooled, output)
        return output * self.gates.choose(number, pooled)[:, :, None, None]

    # Only the open ones.

    def skipped(self, images: torch.Tensor) -> torch.Tensor:
        costs = Costs()
        x = wide(*self.skip(0, images, None, costs), self.network.conv1.out_channels)
        for number, block in enumerate(self.network.blocks):
            inner, kept = self.skip(2 * number + 1, x, None, costs)
            output, left = self.skip(2 * number + 2, inner, kept, costs)
            x = F.relu(wide(output, left, block.conv2.out_channels) + block.shortcut(x))
        if self.tell is not None:
            self.tell(costs.told(float(sum(self.gates.head_macs))))
        return self.network.linear(x.mean((2, 3)))

    def skip(
        self, number: int, x: torch.Tensor, given: torch.Tensor | None, costs: Costs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The open channels of a unit and their numbers; x holds the channels `given`, or all."""
        conv, norm, active = unit = units(self.network)[number]
        pooled = self.pooled(x)
        if given is not None:
            pooled = torch.zeros(1, conv.in_channels, device=x.device).index_copy(1, given, pooled)
        kept = self.gates.choose(number, pooled)[0].nonzero()[:, 0]
        weight = conv.weight[kept] if given is None else conv.weight[kept][:, given]
        size = [(length - 1) // conv.stride[0] + 1 for length in x.shape[2:]]  # 3 x 3, padded by one
        if weight.numel():
            output = F.conv2d(x, weight, None, conv.stride, conv.padding)
        else:
            output = x.new_zeros(1, len(kept), *size)
        if len(kept):
            mean, variance = norm.running_mean[kept], norm.running_var[kept]
            output = F.batch_norm(output, mean, variance, norm.weight[kept], norm.bias[kept], eps=norm.eps)
        costs.add(unit, x.shape[1], len(kept), size[0] * size[1])
        return F.relu(output) if active else output, kept


def wide(output: torch.Tensor, kept: torch.Tensor, channels: int) -> torch.Tensor:
    """With zeros for the channels that were not computed."""
    return output.new_zeros(1, channels, *output.shape[2:]).index_copy(1, kept, output)


@torch.no_grad()
def estimate(network: Any, images: torch.Tensor, target: Callable[[torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
    """Before any training: how many channels of each unit the targets keep, [images] a unit, in the dense network."""
    counts, hooks = [torch.zeros(len(images)) for _ in units(network)], []

    def hook(number: int, active: bool) -> Any:
        def see(module: Any, given: Any, output: torch.Tensor) -> None:
            counts[number] = target(F.relu(output) if active else output).sum(1).cpu()

        return see

    for number, unit in enumerate(units(network)):
        hooks.append(unit.norm.register_forward_hook(hook(number, unit.active)))
    try:
        network.eval()(images)
    finally:
        for one in hooks:
            one.remove()
    return counts


def expected(network: Any, counts: list[torch.Tensor], size: int, heads: float = 0.0) -> dict[str, float]:
    """What such counts would cost, the mean over images of `size` x `size` pixels."""
    costs = [Costs() for _ in counts[0]]
    places, inner = size, False
    for number, unit in enumerate(units(network)):
        places = (places - 1) // unit.conv.stride[0] + 1
        inner = number > 0 and number % 2 == 0  # a block's second unit sees what its first has kept
        for image, one in enumerate(costs):
            kept = float(counts[number][image])
            inputs = float(counts[number - 1][image]) if inner else float(unit.conv.in_channels)
            one.add(unit, inputs, kept, places * places)
    told = [one.told(heads) for one in costs]
    return {name: sum(one[name] for one in told) / len(told) for name in told[0]}
