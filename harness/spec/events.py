"""What plugins are told while a command works: plain facts, after the store has them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.spec.records import Plain, Score


@dataclass(frozen=True)
class RunEvent:
    """One run of a study, as it stands."""

    id: int  # in the store
    label: str  # its stack: method names joined by +
    role: str  # baseline, method, control
    task: str
    model: str
    device: str
    seed: int
    spec: dict[str, Plain]  # every setting of its stack, task, model and device
    status: str  # planned, done, failed, invalid, stopped
    reason: str | None  # why it is not done
    done: int  # samples
    planned: int


@dataclass(frozen=True)
class SampleEvent:
    """One sample of a run, scored."""

    run: RunEvent
    number: int
    stratum: str
    answer: str
    scores: tuple[Score, ...]
    evidence: dict[str, float]
    observed: dict[str, float]
    output: dict[str, Plain]  # what the subject gave back


@dataclass(frozen=True)
class StudyEvent:
    """What one command compares."""

    id: int  # in the store
    command: str
    measure: str
    store: str  # URL of the store, with what it takes to open it
    status: str  # running, done, failed, stopped
    runs: tuple[RunEvent, ...]
