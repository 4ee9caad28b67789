"""Wanda's scores (arXiv:2306.11695, section 3), and the norms they need, taken block after block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from harness_plugins.subjects.causal_lm.calibration import Walk, inputs_seen
from harness_plugins.subjects.causal_lm.masks import masked


def scores(weight: Tensor, norm: Tensor) -> Tensor:
    """|W_ij| · ‖X_j‖₂, [outputs, inputs], float32."""
    return weight.abs().float() * norm.to(weight.device)


def norms(
    subject: Any, texts: Sequence[Sequence[int]], mask: Callable[[Tensor, Tensor], Tensor], progress: Callable[[], None]
) -> dict[str, Tensor]:
    """Of each layer's inputs over all tokens of the texts, √(mean of squares), [inputs], float32.

    Each block sees what the blocks before it make once they are pruned, and is pruned before the next one is looked at.

    Args:
        mask: which weights of a layer stay, given its norms.
    """
    found: dict[str, Tensor] = {}

    def prune(layers: Any) -> None:
        walk = Walk(subject, texts, progress)
        for block, names in enumerate(subject.linears.by_block()):
            squares: dict[str, list[Tensor]] = {name: [] for name in names}
            with inputs_seen(
                {name: layers[name] for name in names},
                lambda name, given, kept=squares: kept[name].append(given.double().square().mean(0)),
            ):
                walk.run(block)
            for name in names:
                found[name] = (sum(squares[name]) / len(texts)).sqrt().float().cpu()
                layers.put(name, masked(layers[name], mask(layers[name].weight.detach(), found[name])))
            walk.advance(block)

    with subject.at("weights", prune):
        return found
