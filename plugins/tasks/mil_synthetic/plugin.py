"""MIL synthetic: bags of Gaussian instances, positive ones with two rare clusters; also bags of any size to time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import KnobError, Metric, Sample, Score, Source, Task, hookimpl, knob


@dataclass(frozen=True)
class MILSynthetic(Task):
    instances: int = knob(200, low=2, help="of a bag")
    features: int = knob(32, low=2, help="of an instance")
    rare: float = knob(0.1, low=0.0, high=1.0, help="share of a positive bag's instances in the two clusters")
    distance: float = knob(3.0, low=0.0, help="of each cluster's centre from the other instances', in deviations")
    bags: int = knob(40, low=2, help="bags to train on, half of them positive")
    samples: int = knob(60, low=2, hashed=False, help="bags to test on, every other one positive")
    epochs: int = knob(50, low=1, help="passes of the training over its bags")
    learning_rate: float = knob(1e-4, low=0.0, help="of AdamW, falling to 0 along a cosine")
    weight_decay: float = knob(1e-5, low=0.0, help="of AdamW")
    timed_instances: int | None = knob(
        None, low=1, prepared=False, help="size of the bag that is timed; null: the samples' own"
    )

    name = "mil_synthetic"
    model = "bag_mlp"
    subjects = frozenset({"bag-classifier"})
    metrics = (
        Metric("auroc", "%", True, scale=100.0, statistic="auroc", of=("label", "positive")),
        Metric("top10_mass", "%", False, aggregation="mean", scale=100.0),
        Metric("both_found", "%", True, aggregation="mean", scale=100.0),
        Metric("recall", "%", True, aggregation="mean", scale=100.0),
        Metric("label", "", True),
        Metric("positive", "", True),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.members < 2:
            raise KnobError(
                f"mil_synthetic.rare={self.rare} of {self.instances} instances is {self.members}; two clusters need two"
            )

    @property
    def members(self) -> int:
        """Instances of a positive bag that lie in a cluster."""
        return round(self.rare * self.instances)

    def planned(self) -> int:
        return self.samples

    def describe(self) -> dict[str, Any]:
        told = f"{self.instances} instances of {self.features} features, {self.members} in two clusters where positive"
        timed = {"timed": f"a bag of {self.timed_instances:,}"} if self.timed_instances else {}
        return {"bags": told, "training": f"{self.bags} bags, {self.epochs} epochs", **timed}

    def sources(self) -> list[Source]:
        return [Source("Gaussian bags", self.samples, None, "test", f"drawn by seed, {self.bags} more to train on")]

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        from .bags import training

        return training(self, seed)

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .bags import Samples

        return Samples(self, seed)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        attention = output["attention"]
        scores = [
            Score("label", float(sample.target["label"])),
            Score("positive", output["probabilities"][1]),
            Score("top10_mass", sum(sorted(attention)[-10:])),
        ]
        if not sample.target["label"]:
            return scores
        attended = {number for number, one in enumerate(attention) if one > 1 / len(attention)}
        recalls = [len(attended & set(cluster)) / len(cluster) for cluster in sample.target["clusters"]]
        return [*scores, Score("recall", sum(recalls) / len(recalls)), Score("both_found", float(min(recalls) > 0))]

    def timed(self, sample: Sample) -> dict[str, Any]:
        from .bags import bag_of_noise

        if self.timed_instances is None:
            return {**sample.request, "attention": False}
        return {**sample.request, "attention": False, **bag_of_noise(self.timed_instances, self.features)}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return f"positive with probability {output['probabilities'][1]:.3f}"


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [MILSynthetic]
