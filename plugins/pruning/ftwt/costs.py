"""What gates cost: multiply-accumulates of convolutions, as executed and as the paper counts them."""

from __future__ import annotations

from .layout import Unit


class Costs:
    """MACs of the convolutions for one image, and the share of channels kept."""

    def __init__(self) -> None:
        self.macs, self.paper, self.open = 0.0, 0.0, list[float]()
        self.before: float | None = None

    def add(self, unit: Unit, inputs: float, kept: float, places: int, computed: float) -> None:
        """`inputs`: channels that really come in. The paper takes those that the unit before it kept, and divides
        them by a depthwise convolution's groups as whole numbers, which makes it free unless all are kept."""
        conv = unit.conv
        kernel = conv.kernel_size[0] * conv.kernel_size[1] * places
        self.macs += computed * (1 if unit.depthwise else inputs) * kernel
        seen = inputs if self.before is None else self.before
        self.paper += kept * (seen // conv.groups if unit.depthwise else seen) * kernel
        self.open.append(kept / conv.out_channels)
        self.before = kept

    def told(self, heads: float = 0.0) -> dict[str, float]:
        return {
            "active_channels": sum(self.open) / len(self.open),
            "macs": self.macs + heads,
            "paper_macs": self.paper,
        }
