"""Contiguous drop: leave out neighbouring layers, as many as a target speed-up asks for. A control."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import Method, hookimpl, knob
from harness_plugins.subjects.causal_lm.skipping import SKIPPING, Skipper


@dataclass(frozen=True)
class ContiguousDrop(Skipper):
    where: str = knob(
        "middle", choices=("middle", "top"), help="middle: as many layers before them as after; top: up to the last"
    )

    name = "contiguous_drop"
    traits = replace(SKIPPING, controls=())

    def kept(self, blocks: int, artifact: Path | None) -> frozenset[int]:
        dropped = blocks - self.count(blocks)
        first = blocks - 1 - dropped if self.where == "top" else (blocks - dropped) // 2
        return frozenset(range(blocks)) - frozenset(range(first, first + dropped))


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [ContiguousDrop]
