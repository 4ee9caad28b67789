"""What methods that leave out decoder blocks have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

from harness.api import Evidence, IncompatibleError, Method, Traits, knob

EVERY_BLOCK = "every block running"

SKIPPING = Traits(
    family="layer-skipping",
    subjects=frozenset({"causal-lm"}),
    seams=frozenset({"blocks"}),
    evidence=frozenset({"prefill_block_calls"}),  # and decode_block_calls, where anything is decoded
    controls=("contiguous_drop",),
    requires=frozenset({EVERY_BLOCK}),
    breaks=frozenset({EVERY_BLOCK}),
)


@dataclass(frozen=True)
class Skipper(Method):
    """Base of methods that run the same blocks for every token, as many as a target speed-up leaves."""

    target_speedup: float = knob(2.0, low=1.0, help="blocks there are ÷ blocks that run, rounded down to whole blocks")
    skip_prefill: bool = knob(False, help="leave the blocks out of the prefill too; false: a prompt passes all blocks")

    neutral = {"target_speedup": 1.0}

    def nominal(self) -> dict[str, float]:
        return {"target_speedup": self.target_speedup, "skip_prefill": self.skip_prefill}

    def check(self, facts: Mapping[str, Any]) -> None:
        self.count(facts["layers"])

    def count(self, blocks: int) -> int:
        """How many run: ⌊blocks ÷ target⌋, exact where the quotient is whole but for rounding; at least two."""
        count = floor(blocks / self.target_speedup + 1e-9)
        if count < 2:
            most = f"set it to {blocks / 2:g} or less" if blocks > 1 else "choose a deeper model"
            raise IncompatibleError(
                f"{self.name}.target_speedup={self.target_speedup:g} leaves {count} of {blocks} blocks, at least two "
                f"must run; {most}"
            )
        return count

    def kept(self, blocks: int, artifact: Path | None) -> frozenset[int]:
        """Which of a model's blocks run."""
        raise NotImplementedError

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        evidence, blocks = Evidence(), len(subject.blocks)
        kept = self.kept(blocks, artifact)

        def runs(block: int, phase: str, hidden: Any) -> bool:
            run = block in kept or (phase == "prefill" and not self.skip_prefill)
            evidence.record(**{f"{phase}_block_calls": blocks * run})  # the mean over blocks is their number
            return run

        with subject.at("blocks", runs):
            yield evidence
