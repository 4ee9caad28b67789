"""The contract between the core and its plugins.

A **model** is a recipe that loads a **subject**; a **method** acts on a subject at its **seams**; a
**task** makes samples, and scores what the subject answered; a **meter** reads one physical
quantity while a subject works. `docs/architecture.md` shows how every family of technique fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from harness.plugin.knobs import Knobbed
from harness.spec.records import Device, Measure, Metric, Plain, Reading, Response, Sample, Score, Source


@dataclass(frozen=True)
class Traits:
    """Facts a method declares about itself. They never depend on its settings."""

    family: str
    subjects: frozenset[str] = frozenset()  # kinds it acts on; empty: any
    seams: frozenset[str] = frozenset()  # where it acts; none: it changes nothing
    evidence: frozenset[str] = frozenset()  # names that every sample must carry as proof that it acted
    controls: tuple[str, ...] = ()  # methods that join its studies, with the same settings
    requires: frozenset[str] = frozenset()  # facts about the subject's state it relies on ...
    breaks: frozenset[str] = frozenset()  # ... and those that no longer hold once it has acted
    simulated: bool = False  # its saving is computed, not realised
    prepares: Literal["", "calibrates", "trains", "builds"] = ""  # what it does first, if anything
    baseline: str = "identity"  # what its runs are compared with: plain training, where a bare subject knows nothing
    environment: str = ""  # the named environment its workers run in; none: the command's own


@dataclass(frozen=True)
class Seam:
    """A named place in a subject where methods may act."""

    help: str
    shared: bool = False  # acts after work that several methods can share, such as a prefill
    held: bool = False  # acts once, before any sample, and stays: weights are packed once, not for every sample


class Evidence:
    """Proof, per sample, that a method acted: named numbers, recorded while it acts."""

    def __init__(self) -> None:
        self._records: dict[str, list[float]] = {}

    def record(self, **numbers: float) -> None:
        for name, number in numbers.items():
            self._records.setdefault(name, []).append(float(number))

    def take(self) -> dict[str, float]:
        """Means since the last take."""
        taken = {name: sum(values) / len(values) for name, values in self._records.items()}
        self._records.clear()
        return taken


@dataclass
class Preparation:
    """What a method prepares with, in the worker. The members of its stack before it are applied meanwhile."""

    subject: Any
    seed: int
    folder: Path  # where to leave what it prepared, empty at first; kept under everything that made it
    materials: dict[str, Plain]  # what its `materials` gave
    training: dict[str, Plain] = field(default_factory=dict)  # what the task's `training` gave
    progress: Callable[..., None] = field(default=lambda note="": None)  # call it often: silence is taken for a hang
    inputs: dict[str, Any] = field(default_factory=dict)  # the loaded models that its `inputs` named
    scratch: Path | None = None  # for checkpoints: found again by the attempt that follows a kill
    before: dict[str, float] = field(default_factory=dict)  # what the attempts had `spent` that this one goes on from
    spent: Callable[[], dict[str, float]] = field(default=dict)  # so far, those attempts included: s, J
    readings: list[Reading] = field(default_factory=list)  # costs of its own to keep beside time, energy and memory


@dataclass(frozen=True)
class Method(Knobbed):
    """A technique under test."""

    traits: ClassVar[Traits]
    neutral: ClassVar[Mapping[str, Any] | None] = None  # knobs under which it changes nothing, where there are such

    def needs(self) -> frozenset[Any]:
        """What the subject must capture for it, in types of the subject's own."""
        return frozenset()

    def nominal(self) -> dict[str, float]:
        """What was asked for, by the names of docs/methodology.md: compression_ratio, budget_tokens ..."""
        return {"compression_ratio": self.compression_ratio} if hasattr(self, "compression_ratio") else {}

    def check(self, facts: Mapping[str, Plain]) -> None:
        """Refuses a model it can't act on, from the model's facts alone.

        Raises:
            IncompatibleError: what does not fit, and what would.
        """

    def notes(self, facts: Mapping[str, Plain]) -> list[str]:
        """What a reader of its results on such a model must know."""
        return []

    def unfit(self, facts: Mapping[str, Plain]) -> str | None:
        """Why its results on such a model settle no claim, or None."""
        return None

    def parts(self) -> Sequence[Method]:
        """Methods that it applies itself: their code counts as its own, for the identity of its runs."""
        return ()

    def sources(self) -> list[Source]:
        """Data of its own that it prepares from, made present if need be.

        Raises:
            SourceError: can't be had, or is not what its checksum says.
        """
        return []

    def materials(self, processor: Any, seed: int) -> dict[str, Plain]:
        """What it prepares from, as plain data: called where samples are made, with the model's processor."""
        return {}

    def inputs(self, model: Model) -> dict[str, Model]:
        """Models it prepares with beside the one it acts on, by the names it knows them by: a teacher.

        One that is untrained is trained first, by the task's recipe.
        """
        return {}

    def prepare(self, preparation: Preparation) -> None:
        """Trains, calibrates or builds, and leaves the result in the folder. Called where `traits.prepares`."""
        raise NotImplementedError

    def apply(self, subject: Any, artifact: Path | None = None) -> AbstractContextManager[Evidence]:
        """Acts while the context is open, and gives the subject back as it was, after an exception too.

        `artifact` is the folder that `prepare` filled, where there was something to prepare.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Stack:
    """Methods applied together, in order."""

    methods: tuple[Method, ...]

    @property
    def label(self) -> str:
        return "+".join(method.name for method in self.methods)

    @property
    def environment(self) -> str:
        """The named one that its members need, or none; the core refuses members that need different ones."""
        return next((one.traits.environment for one in self.methods if one.traits.environment), "")

    @property
    def seams(self) -> frozenset[str]:
        return frozenset().union(*(method.traits.seams for method in self.methods))

    def held(self, seams: Mapping[str, Seam]) -> bool:
        """Whether it stays applied from sample to sample."""
        return any(seams[name].held for name in self.seams)

    def needs(self) -> frozenset[Any]:
        return frozenset().union(*(method.needs() for method in self.methods))

    def nominal(self) -> dict[str, float]:
        """What the members ask for together: each compresses what the one before it left."""
        asked = {name: value for method in self.methods for name, value in method.nominal().items()}
        if len(self.methods) > 1 and "compression_ratio" in asked:
            kept = (1 - method.nominal().get("compression_ratio", 0.0) for method in self.methods)
            asked["compression_ratio"] = 1 - prod(kept)
        return asked

    @contextmanager
    def apply(self, subject: Subject, artifacts: Sequence[Path | None] = ()) -> Iterator[list[Evidence]]:
        with ExitStack() as opened:
            evidences = []
            for index, method in enumerate(self.methods):
                artifact = artifacts[index] if artifacts else None
                context = method.apply(subject) if artifact is None else method.apply(subject, artifact)
                evidences.append(opened.enter_context(context))
            yield evidences

    def evidence(self, evidences: Sequence[Evidence]) -> dict[str, float]:
        """One dict for a sample; in a stack of several, names carry their method: `xkv.rank`."""
        taken = [(method.name, evidence.take()) for method, evidence in zip(self.methods, evidences, strict=True)]
        if len(taken) == 1:
            return taken[0][1]
        return {f"{name}.{key}": value for name, numbers in taken for key, value in numbers.items()}

    def missing(self, evidence: Mapping[str, float]) -> list[str]:
        """Names of declared evidence that a sample lacks."""
        alone = len(self.methods) == 1
        wanted = [
            name if alone else f"{method.name}.{name}"
            for method in self.methods
            for name in sorted(method.traits.evidence)
        ]
        return [name for name in wanted if name not in evidence]


class Arm(Protocol):
    """One stack's place in a shared piece of work."""

    stack: Stack

    def apply(self, subject: Subject) -> AbstractContextManager[Any]:
        """Announces that it acts, applies the stack; an exception inside fails this arm alone."""
        ...

    @property
    def failed(self) -> bool: ...


class Subject:
    """The loaded object a method acts on, neural or not."""

    kind: ClassVar[str]
    revision: ClassVar[int] = 1  # raise it when the same request would be answered otherwise
    seams: ClassVar[Mapping[str, Seam]] = {}

    @classmethod
    def toy(cls) -> Any:
        """A small loaded one for tests, as `harness.testing.Toy`."""
        raise NotImplementedError

    def train(self, preparation: Preparation) -> None:
        """Is trained by the task's recipe, and leaves in the folder what `restore` needs.

        For subjects of models that can be `untrained`.
        """
        raise NotImplementedError

    def restore(self, folder: Path) -> None:
        """Becomes what `train` left there."""
        raise NotImplementedError

    marker: Callable[[str], None] | None = None  # set by a clock; called as phases pass

    def mark(self, phase: str) -> None:
        if self.marker is not None:
            self.marker(phase)

    def at(self, seam: str, action: Callable[..., Any]) -> AbstractContextManager[None]:
        """Has `action` called at `seam` while the context is open."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Waits until the device has finished what was asked of it."""

    def answer(self, request: dict[str, Plain], arms: Sequence[Arm]) -> Iterable[tuple[Arm, Response]]:
        """Answers one request once for each arm. Override it where arms can share work."""
        for arm in arms:
            response = None
            with arm.apply(self):
                response = self.respond(request, arm.stack.needs())
            if response is not None and not arm.failed:
                yield arm, response

    def respond(self, request: dict[str, Plain], needs: frozenset[Any]) -> Response:
        """Answers one request under what is applied now, capturing what it needs."""
        raise NotImplementedError

    def batched(self, request: dict[str, Plain]) -> Sequence[dict[str, Plain]]:
        """Requests of several inputs at once, made from a timed one, a size each; timed apart from it, for throughput.

        `durations` then tells what such a request took.
        """
        return ()

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        """Phases of one timed request, in seconds, from the marks passed on the way."""
        return [Reading("latency_s", (end_ns - start_ns) / 1e9, "s", "perf_counter_ns")]


def phases(start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
    """The whole of a timed request, and the time up to each mark since the one before, in seconds."""
    starts = [start_ns, *(at for _, at in marks)]
    spans = [(f"{name}_s", at - since) for since, (name, at) in zip(starts, marks, strict=False)]
    told = [("latency_s", end_ns - start_ns), *spans]
    return [Reading(name, took / 1e9, "s", "perf_counter_ns") for name, took in told]


@dataclass(frozen=True)
class Model(Knobbed):
    """A recipe for loading a subject. `fetch` and `processor` run where samples are made, `load` in the worker."""

    kind: ClassVar[str]  # of the subject it loads

    @property
    def label(self) -> str:
        """What people call what it loads, where no preset names it."""
        return self.name

    @property
    def untrained(self) -> bool:
        """Whether what it loads must be trained, by the task's recipe, before it is of use."""
        return False

    def resolved(self, device: Device) -> Model:
        """Itself with every `auto` decided for this device."""
        return self

    def present(self) -> bool | None:
        """Whether all that `fetch` would fetch is on this machine already; None: can't say without trying."""
        return None

    def fetch(self) -> dict[str, Plain]:
        """Makes it present on this machine; returns where it lies and what exactly it is.

        The keys `path` and `revision` are required; `revision` changes whenever weights or
        preprocessing would.

        Raises:
            SourceError: can't be had, or is not what its checksum says.
        """
        raise NotImplementedError

    def facts(self, location: dict[str, Plain]) -> dict[str, Plain]:
        """What tasks and methods check themselves against, read without loading weights."""
        return {}

    def seconds(self, facts: dict[str, Plain], request: dict[str, Plain], device: Device, arms: int) -> float | None:
        """A rough guess at the time one request takes for so many arms, for the plan; None: can't say."""
        return None

    def notes(self) -> list[str]:
        """What a reader of its results must know."""
        return []

    def processor(self, location: dict[str, Plain]) -> Any:
        """What turns inputs into requests and outputs into text: a tokenizer, an image transform."""
        return None

    def load(self, location: dict[str, Plain], device: Device) -> Subject:
        """The subject, on the device; what it computes with is told to use `device.threads`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Task(Knobbed):
    """Samples plus metrics. Samples are made and scored where the command runs, not in the worker."""

    revision: ClassVar[int] = 1  # raise it when the same sample would be made or scored otherwise
    subjects: ClassVar[frozenset[str]]  # kinds that can answer it
    model: ClassVar[str | None] = None  # who is asked where a command names no model; None: conf/config.yaml says

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it scores. Write `metrics = (...)`; a property where they depend on its settings."""
        return ()

    def resolved(self, facts: Mapping[str, Plain]) -> Task:
        """Itself with every setting decided that is left to the model's facts."""
        return self

    def check(self, facts: Mapping[str, Plain]) -> None:
        """Refuses a model it can't be asked of, from the model's facts alone.

        Raises:
            IncompatibleError: what does not fit, and what would.
        """

    def planned(self) -> int:
        """How many samples there will be."""
        raise NotImplementedError

    @property
    def folds(self) -> int:
        """How many folds there are, where each cluster is one: answered by what was trained on the others."""
        return 0

    def describe(self) -> dict[str, Plain]:
        """Conditions to show beside its scores, as short words: context, whether the question was seen ..."""
        return {}

    def sources(self) -> list[Source]:
        """Data it draws on, made present if need be.

        Raises:
            SourceError: can't be had, or is not what its checksum says.
        """
        return []

    def training(self, processor: Any, seed: int) -> dict[str, Plain]:
        """Data and recipe for what trains, calibrates or builds, as plain data, in keys of the subject's kind.

        The same for every method: `preparation.training`. Empty: there is nothing to train on.

        Raises:
            SourceError: the data can't be had.
        """
        return {}

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        """Its samples; each is made when indexed, and depends on the seed and its number alone."""
        raise NotImplementedError

    def score(self, sample: Sample, output: dict[str, Plain], processor: Any) -> list[Score]:
        return []

    def timed(self, sample: Sample) -> dict[str, Plain]:
        """The request to time: the sample's own, at a fixed size whatever is answered."""
        return sample.request

    def answer_text(self, output: dict[str, Plain], processor: Any) -> str:
        """What a person reads of an output."""
        return ""


@dataclass
class Workload:
    """One arm's timed requests, ready to execute: `run(i)` executes the i-th, wrapping around."""

    subject: Subject
    device: Device
    requests: Sequence[dict[str, Plain]]
    execute: Callable[[dict[str, Plain]], Response]
    progress: Callable[[], None] = field(default=lambda: None)
    executed: int = 0  # in this process, whatever meter asked: none means that the process is cold

    def run(self, index: int) -> Response:
        response = self.execute(self.requests[index % len(self.requests)])
        self.executed += 1
        self.progress()
        return response


@runtime_checkable
class Meter(Protocol):
    """An instrument for one physical quantity, with a pass of its own."""

    name: str  # "latency", "memory", "flops", "energy": also the pass's
    timed: bool  # belongs to an interleaved session of fresh processes; else read once and used again
    revision: int

    def unavailable(self, device: Device) -> str | None:
        """Why it can't read here, or None. Called where samples are made: light, no torch."""
        ...

    def read(self, workload: Workload, measure: Measure) -> list[Reading]:
        """Executes the workload as often as it needs and reads."""
        ...
