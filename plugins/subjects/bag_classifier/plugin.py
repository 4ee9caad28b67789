"""Bag classifiers: what methods and tasks may know of them without loading one.

A request to a bag classifier is a plain dict; the numbers of a bag never pass the channel:

    file       array of instances [instances, features]: .npy, .h5 (`features`) or .pt; relative to the cache folder
               unless absolute
    rows       [first, one past the last] of the bag, or null for all
    sha256     of the bag's float32 numbers
    classes    how many there are
    fold       which training answers: the one that has not seen the bag
    attention  true where the output shall hold each instance's attention

and its output is `{"probabilities": [one for each class], "attention": [one for each instance]}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.api import Evidence, Method, Preparation, Seam, Subject, Traits, hookimpl

MIL = Traits(
    family="mil-aggregator",
    subjects=frozenset({"bag-classifier"}),
    seams=frozenset({"aggregate"}),
    evidence=frozenset({"instances", "top10_mass"}),
    prepares="trains",
    baseline="mean_pool",
)


class BagClassifier(Subject):
    kind = "bag-classifier"
    revision = 1
    seams: ClassVar[Mapping[str, Seam]] = {
        "aggregate": Seam("called with the instances of a bag and its fold; gives logits and attention", held=True),
    }

    @classmethod
    def toy(cls) -> Any:
        from .toy import make

        return make()


@dataclass(frozen=True)
class Aggregator(Method):
    """From the hidden features of a bag's instances to the bag's logits; trained once for each fold."""

    def head(self, width: int, classes: int) -> Any:
        """A module from [instances, width] to `Pooled`."""
        raise NotImplementedError

    def loss(self, pooled: Any, label: Any) -> Any:
        """What one bag adds to the training, `label` of shape [1]."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(pooled.logits[None], label)

    def prepare(self, preparation: Preparation) -> None:
        from .training import train

        train(preparation, self)

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from .network import Trained

        assert artifact is not None
        evidence, trained = Evidence(), Trained(subject, self, artifact)

        def aggregate(instances: Any, fold: str) -> Any:
            pooled = trained(instances, fold)
            evidence.record(
                instances=len(pooled.attention), top10_mass=float(pooled.attention.sort(descending=True)[0][:10].sum())
            )
            return pooled

        with subject.at("aggregate", aggregate):
            yield evidence


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [BagClassifier]
