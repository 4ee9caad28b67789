"""Distillation of logits: Hinton's KD, normalised KD, and USKD, which needs no teacher (arXiv:2303.13005)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Evidence, IncompatibleError, Method, Model, Preparation, Traits, hookimpl, knob

DISTILLATION = Traits(
    family="distillation",
    subjects=frozenset({"image-classifier"}),
    seams=frozenset({"network"}),
    evidence=frozenset({"cross_entropy", "target", "non_target"}),
    prepares="trains",
)


@dataclass(frozen=True)
class Student(Method):
    """Trains the model from its seed by the task's recipe and a loss of its own."""

    def inputs(self, model: Model) -> dict[str, Model]:
        if not model.untrained:
            raise IncompatibleError(f"{self.name} trains a student from a seed; leave out model.checkpoint")
        return {}

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from .training import student_in

        assert artifact is not None
        weights, told = student_in(artifact)
        evidence = Evidence()
        evidence.record(**{name: told[name] for name in self.traits.evidence})

        def trained(network: Any) -> Any:
            network.load_state_dict(weights)
            return network

        with subject.at("network", trained):
            yield evidence


@dataclass(frozen=True)
class Taught(Student):
    # What the file holds is hashed as the teacher's revision.
    teacher: str | None = knob(
        None, hashed=False, help="the teacher's checkpoint; null to train it by the task's recipe first"
    )
    teacher_depth: int = knob(56, choices=(20, 32, 44, 56, 110), help="layers of the teacher, of the student's form")

    def inputs(self, model: Model) -> dict[str, Model]:
        super().inputs(model)
        if not {"depth", "checkpoint"} <= {one.name for one in model.knobs()}:
            raise IncompatibleError(f"{self.name} needs a model that comes in several depths, not {model.name}")
        return {"teacher": replace(model, depth=self.teacher_depth, checkpoint=self.teacher)}  # type: ignore[call-arg]

    def objective(self, teacher: Any) -> Any:
        """What is minimised, where `teacher` turns images into logits."""
        raise NotImplementedError

    def prepare(self, preparation: Preparation) -> None:
        from .training import teacher_of

        subject = preparation.subject
        subject.fit(subject.new(preparation.seed), preparation, self.objective(teacher_of(preparation)))


@dataclass(frozen=True)
class KD(Taught):
    alpha: float = knob(0.9, low=0.0, high=1.0, help="weight of the teacher's part; the labels' is the rest")
    temperature: float = knob(4.0, low=0.1, help="that both sides' logits are divided by")

    name = "kd"
    traits = replace(DISTILLATION, evidence=frozenset({"cross_entropy", "distillation"}))
    neutral = None

    def objective(self, teacher: Any) -> Any:
        from .training import kd_objective

        return kd_objective(teacher, self.alpha, self.temperature)


@dataclass(frozen=True)
class NKD(Taught):
    gamma: float = knob(1.5, low=0.0, help="weight of the other classes")
    temperature: float = knob(1.0, low=0.1, help="of the other classes alone")

    name = "nkd"
    traits = DISTILLATION

    def objective(self, teacher: Any) -> Any:
        from .training import nkd_objective

        return nkd_objective(teacher, self.gamma, self.temperature)


@dataclass(frozen=True)
class USKD(Student):
    alpha: float = knob(0.1, low=0.0, help="weight of the right class")
    beta: float = knob(0.1, low=0.0, help="weight of the other classes")
    mu: float = knob(0.1, low=0.0, help="weight of the weak head's own loss")
    layer: str = knob("layer2", help="whose pooled output the weak head sees")
    ranking: str = knob("paper", choices=("paper", "code"), help="whether probabilities or their logarithms rank")

    name = "uskd"
    traits = replace(DISTILLATION, evidence=frozenset({"cross_entropy", "target", "non_target", "weak"}))

    def prepare(self, preparation: Preparation) -> None:
        import torch

        from .training import uskd_objective, with_weak_head

        subject = preparation.subject
        student = subject.new(preparation.seed)
        with torch.random.fork_rng():
            torch.manual_seed(preparation.seed)
            both = with_weak_head(student, self.layer, subject.calibration(preparation, 2))
        subject.fit(both, preparation, uskd_objective(self.alpha, self.beta, self.mu, self.ranking))


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [KD, NKD, USKD]
