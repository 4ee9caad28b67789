"""What is handed to the store: columns of a row, without those that the store fills in itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from harness.spec.records import Plain, Reading, Source

RunStatus = Literal["planned", "running", "done", "stopped", "failed", "invalid"]
SessionStatus = Literal["open", "done", "abandoned"]
StudyStatus = Literal["running", "done", "stopped", "failed"]
Role = Literal["baseline", "method", "control"]


@dataclass(frozen=True)
class RunRecord:
    key: str  # hash of `identity`
    environment_id: int
    label: str
    task: str
    model: str
    device: str
    seed: int
    spec: dict[str, Plain]
    identity: dict[str, Plain]
    about: dict[str, Plain]
    planned: int
    tags: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class SampleRecord:
    number: int
    stratum: str
    prompt_hash: str
    output: dict[str, Plain]
    answer: str
    prompt: str = ""  # kept once, however many runs ask it
    target: Plain = None
    cluster: str | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    observed: dict[str, float] = field(default_factory=dict)


class PassRecord(NamedTuple):
    """What one meter read in one process."""

    meter: str
    meter_revision: int
    readings: Sequence[Reading]


class Pair(NamedTuple):
    """A run whose timings are wanted, and the baseline that must have been timed beside it."""

    run_id: int
    baseline_id: int | None = None


@dataclass(frozen=True)
class MemberRecord:
    run_id: int
    role: Role
    baseline_id: int | None = None  # none for a baseline
    session_id: int | None = None  # whose timings the study shows
    quality: bool = True
