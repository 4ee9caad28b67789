"""CIFAR-10: which of ten things a small photograph shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Any

from harness.api import IncompatibleError, KnobError, Metric, Sample, Score, Source, Task, hookimpl, knob


@dataclass(frozen=True)
class Cifar10(Task):
    # What the images are is hashed as a source; where they lie changes nothing.
    path: str | None = knob(None, hashed=False, help="folder with the test images: cifar-10-batches-py, or PNG strips")
    samples: int = knob(1000, low=1, hashed=False, help="test images, of all there are in an order drawn by seed")

    name = "cifar10"
    subjects = frozenset({"image-classifier"})
    model = "cifar_resnet"
    metrics = (
        Metric("top1", "%", True, aggregation="mean", scale=100.0),
        Metric("top5", "%", True, aggregation="mean", scale=100.0),
        Metric("loss", "nats", False, aggregation="mean"),
    )

    def check(self, facts: Mapping[str, Any]) -> None:
        if facts["classes"] != 10:
            raise IncompatibleError(f"cifar10 has 10 classes, the model tells {facts['classes']} apart; choose another")

    def planned(self) -> int:
        return self.samples

    def sources(self) -> list[Source]:
        from .images import read

        images = read(self.path)
        if self.samples > len(images.labels):
            raise KnobError(
                f"task.samples={self.samples}, but {self.path} has {len(images.labels)} test images; ask for no more"
            )
        return [images.source]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .images import read, samples

        return samples(read(self.path), seed, self.samples)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        logits, label = output["logits"], sample.target
        # Ties count against it, and so does what is no number: a network that died is never right.
        above = sum(not logit < logits[label] for logit in logits) - 1
        ranks = [Score("top1", float(above < 1)), Score("top5", float(above < 5))]
        if not all(map(isfinite, logits)):
            return [*ranks, Score("loss", None, "logits are not all finite")]
        top = max(logits)
        loss = top + log(sum(exp(logit - top) for logit in logits)) - logits[label]
        return [*ranks, Score("loss", loss)]

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        from .images import CLASSES

        return CLASSES[output["logits"].index(max(output["logits"]))]


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Cifar10]
