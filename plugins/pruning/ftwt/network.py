"""A network whose units, convolution with normalisation, compute the channels that their gates open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from .costs import Costs
from .gates import Gates
from .layout import Unit, classifier, pieces, units

Told = Callable[[dict[str, float]], None]


class Gated(nn.Module):
    """Batches, and all of training, compute densely and multiply by the gates. One image alone computes the open
    channels and no other; the numbers are the same."""

    def __init__(self, network: Any, gates: Gates, pool: str = "mean") -> None:
        super().__init__()
        self.network, self.gates, self.pool = network, gates, pool
        self.pieces = pieces(network)
        self.places = {unit.norm: number for number, unit in enumerate(units(network))}
        self.tell: Told | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.gates.see(images)
        self.gates.losses = []
        return self.logits(images, alone=not self.training and len(images) == 1)

    def logits(self, images: torch.Tensor, alone: bool) -> torch.Tensor:
        costs = Costs()
        x = self.skipped(images, costs) if alone else self.masked(images, costs)
        if self.tell is not None:
            self.tell(costs.told(float(sum(self.gates.head_macs))))
        return classifier(self.network)(x.mean((2, 3)))

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) if self.pool == "mean" else x.amax((2, 3))

    # Every channel computed.

    def masked(self, x: torch.Tensor, costs: Costs) -> torch.Tensor:
        for piece in self.pieces:
            before = x
            for unit in piece.units:
                x = self.mask(unit, x, costs)
            x = F.relu(x + piece.shortcut(before)) if piece.shortcut else x
            x = piece.pool(x) if piece.pool else x
        return x

    def mask(self, unit: Unit, x: torch.Tensor, costs: Costs) -> torch.Tensor:
        number, pooled = self.places[unit.norm], self.pooled(x)
        output = unit.norm(unit.conv(x))
        output = F.relu(output) if unit.active else output
        if self.training:
            self.gates.learn(number, pooled, output)
        gates = self.gates.choose(number, pooled)
        if self.tell is not None:
            kept, places = float(gates.sum(1).float().mean()), output.shape[2] * output.shape[3]
            costs.add(unit, x.shape[1], kept, places, computed=unit.conv.out_channels)
        return output * gates[:, :, None, None]

    # Only the open ones. `given` are the channels that x holds, None: all.

    def skipped(self, x: torch.Tensor, costs: Costs) -> torch.Tensor:
        given: torch.Tensor | None = None
        channels = x.shape[1]
        for piece in self.pieces:
            if piece.shortcut:
                x, given = wide(x, given, channels), None
            before = x
            for unit in piece.units:
                x, given = self.skip(unit, x, given, costs)
                channels = unit.conv.out_channels
            if piece.shortcut:
                x, given = F.relu(wide(x, given, channels) + piece.shortcut(before)), None
            if piece.pool:
                x = piece.pool(x) if x.shape[1] else x[:, :, ::2, ::2]  # which torch does not pool
        return wide(x, given, channels)

    def skip(
        self, unit: Unit, x: torch.Tensor, given: torch.Tensor | None, costs: Costs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The open channels of a unit and their numbers."""
        conv, norm, active = unit
        pooled = wide(self.pooled(x), given, conv.in_channels)
        kept = self.gates.choose(self.places[norm], pooled)[0].nonzero()[:, 0]
        size = [
            (length + 2 * pad - kernel) // stride + 1
            for length, pad, kernel, stride in zip(
                x.shape[2:], conv.padding, conv.kernel_size, conv.stride, strict=True
            )
        ]
        output = (depthwise if unit.depthwise else dense)(conv, x, given, kept, size)
        costs.add(unit, x.shape[1], len(kept), size[0] * size[1], computed=output.computed)
        result = output.channels
        if len(kept):
            mean, variance = norm.running_mean[kept], norm.running_var[kept]
            result = F.batch_norm(result, mean, variance, norm.weight[kept], norm.bias[kept], eps=norm.eps)
        return F.relu(result) if active else result, kept


class Convolved:
    """Channels of a convolution, and how many of them were multiplied for: others are known to be 0."""

    def __init__(self, channels: torch.Tensor, computed: int) -> None:
        self.channels, self.computed = channels, computed


def dense(
    conv: nn.Conv2d, x: torch.Tensor, given: torch.Tensor | None, kept: torch.Tensor, size: list[int]
) -> Convolved:
    weight = conv.weight[kept] if given is None else conv.weight[kept][:, given]
    if weight.numel():
        output = F.conv2d(x, weight, None, conv.stride, conv.padding)
    else:
        output = x.new_zeros(1, len(kept), *size)
    return Convolved(output if conv.bias is None else output + conv.bias[kept][None, :, None, None], len(kept))


def depthwise(
    conv: nn.Conv2d, x: torch.Tensor, given: torch.Tensor | None, kept: torch.Tensor, size: list[int]
) -> Convolved:
    """A channel whose input was not computed is 0 here, and not after normalisation."""
    there = torch.arange(conv.in_channels, device=x.device) if given is None else given
    live = torch.isin(kept, there)
    output = x.new_zeros(1, len(kept), *size)
    if live.any():
        own = kept[live]
        output[:, live] = F.conv2d(
            x[:, torch.searchsorted(there, own)], conv.weight[own], None, conv.stride, conv.padding, groups=len(own)
        )
    return Convolved(output, int(live.sum()))


def wide(x: torch.Tensor, given: torch.Tensor | None, channels: int) -> torch.Tensor:
    """With zeros for the channels that were not computed."""
    return x if given is None else x.new_zeros(1, channels, *x.shape[2:]).index_copy(1, given, x)


@torch.no_grad()
def estimate(network: Any, images: torch.Tensor, target: Callable[[torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
    """Before any training: which channels of each unit the targets keep, [images, channels], in the dense network."""
    wanted: dict[nn.Module, torch.Tensor] = {}

    def hook(unit: Unit) -> Any:
        def see(module: Any, given: Any, output: torch.Tensor) -> None:
            wanted[unit.norm] = target(F.relu(output) if unit.active else output).cpu()

        return see

    hooks = [unit.norm.register_forward_hook(hook(unit)) for unit in units(network)]
    try:
        network.eval()(images)
    finally:
        for one in hooks:
            one.remove()
    return [wanted[unit.norm] for unit in units(network)]


def expected(network: Any, wanted: list[torch.Tensor], size: int) -> dict[str, float]:
    """What such gates would cost without heads, the mean over images of `size` x `size` pixels."""
    costs, found = [Costs() for _ in wanted[0]], pieces(network)
    for image, one in enumerate(costs):
        places, number = size, 0
        before: torch.Tensor | None = None
        for piece in found:
            before = None if piece.shortcut else before
            for unit in piece.units:
                places = (places - 1) // unit.conv.stride[0] + 1
                kept = wanted[number][image].bool()
                inputs = unit.conv.in_channels if before is None else int(before.sum())
                live = kept & before if unit.depthwise and before is not None else kept
                one.add(unit, inputs, int(kept.sum()), places * places, computed=int(live.sum()))
                before, number = kept, number + 1
            before = None if piece.shortcut else before
            places = places // 2 if piece.pool else places
    told = [one.told() for one in costs]
    return {name: sum(one[name] for one in told) / len(told) for name in told[0]}
