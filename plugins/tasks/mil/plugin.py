"""MIL: classic bags of instances, by cross-validation: MUSK1, MUSK2, Elephant, UCSB breast cancer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from harness.api import KnobError, Metric, Sample, Score, Source, Task, hookimpl, knob, nearest

NAMES = ("musk1", "musk2", "elephant", "ucsb")


@dataclass(frozen=True)
class MIL(Task):
    sets: tuple[str, ...] = knob(("musk1", "elephant"), help=f"which bags: {', '.join(NAMES)}")
    splits: int = knob(10, low=2, high=26, help="folds of a cross-validation, stratified by label")
    repeats: int = knob(1, low=1, help="cross-validations, each with other folds")
    epochs: int = knob(50, low=1, help="passes of a training over its bags")
    learning_rate: float = knob(1e-4, low=0.0, help="of AdamW, falling to 0 along a cosine")
    weight_decay: float = knob(1e-5, low=0.0, help="of AdamW")

    name = "mil"
    model = "bag_mlp"
    subjects = frozenset({"bag-classifier"})
    metrics = (
        Metric("auroc", "%", True, scale=100.0, statistic="auroc", of=("label", "positive")),
        Metric("accuracy", "%", True, scale=100.0),
        Metric("label", "", True),
        Metric("positive", "", True),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.sets:
            if name not in NAMES:
                raise KnobError(f"mil.sets has {', '.join(NAMES)}, got {name!r}{nearest(name, NAMES)}")
        if not self.sets or len(set(self.sets)) < len(self.sets):
            raise KnobError(f"mil.sets names one or more, each once, got {list(self.sets)}")

    @property
    def folds(self) -> int:
        return len(self.sets) * self.repeats * self.splits

    def planned(self) -> int:
        from .bags import SETS

        return self.repeats * sum(SETS[name].bags for name in self.sets)

    def describe(self) -> dict[str, Any]:
        return {
            "folds": f"{self.repeats}×{self.splits}",
            "training": f"{self.epochs} epochs, AdamW, rate {self.learning_rate:g}, decay {self.weight_decay:g}",
        }

    def sources(self) -> list[Source]:
        from .bags import source

        return [source(name) for name in self.sets]

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        from .folds import training

        return training(self, seed)

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .folds import samples

        return samples(self, seed)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        probabilities = output["probabilities"]
        if not all(map(isfinite, probabilities)):
            unknown = "its probabilities are not all finite"
            told = [Score("positive", None, unknown), Score("accuracy", 0.0)]
        else:
            right = float(
                probabilities[sample.target] > max(p for c, p in enumerate(probabilities) if c != sample.target)
            )
            told = [Score("positive", probabilities[1]), Score("accuracy", right)]
        return [*told, Score("label", float(sample.target))]

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return f"positive with probability {output['probabilities'][1]:.3f}"


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [MIL]
