"""What a technique is claimed to do, and what the store says of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from harness.spec.records import Metric, Plain
from harness.stats.intervals import Estimate
from harness.stats.paired import Comparison

VERDICTS = ("confirmed", "refuted", "inconclusive", "not run")


@dataclass(frozen=True)
class Claim:
    """One entry of a `claims.yaml`."""

    name: str
    kind: str  # published: a number from a paper or its code; trend: how settings compare at small scale
    says: str
    source: str
    metric: str = ""  # of the task, or evidence of every arm; of the source's own where it is blocked
    cost: str = ""  # in its place: a timed reading
    holds: str | None = None  # beats, at_least, difference, value; see docs/methodology.md
    command: tuple[str, ...] = ()  # words of `harness run` that give every arm
    arms: tuple[Mapping[str, Plain], ...] = ()  # which runs of the command, the better first
    value: float | None = None
    tolerance: float | None = None  # in the unit of the metric, as `value`
    equal_bytes: float | None = None  # how far apart the arms' resident bytes may be, as a share of the fewest
    equal: Mapping[str, float] | None = None  # the same of evidence, by name: {macs: 0.05}
    tuned_on: tuple[int, ...] = ()  # seeds seen while settings were chosen: no evidence
    expected: str | None = None
    model: str | None = None  # what was published: on what, at what
    task: str | None = None
    setting: str | None = None
    needs: str | None = None  # what running it takes
    blocked: str | None = None  # why it can't be run here

    @property
    def typed(self) -> str | None:
        return shlex.join(["harness", "run", *self.command]) if self.command else None


@dataclass(frozen=True)
class Side:
    """One arm as it was found."""

    label: str
    runs: tuple[int, ...]
    estimate: Estimate
    kept: float | None  # resident ÷ full bytes; None: its samples do not tell
    unfit: tuple[str, ...]  # why its runs settle nothing
    evidence: Mapping[str, float]  # means over samples
    unit: str = ""  # of a cost


@dataclass(frozen=True)
class Finding:
    """What one place's runs come to: the same data, code and environment for every arm."""

    claim: Claim
    metric: Metric  # of a cost: its relative change
    sides: tuple[Side, ...]
    comparisons: tuple[Comparison, ...]  # of each arm with the next
    n: int  # pairs: samples, seeds, folds; of a cost: processes
    wanted: int
    seeds: tuple[int, ...]
    where: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    claim: Claim
    word: str
    reason: str
    finding: Finding | None = None
    others: tuple[str, ...] = ()  # runs that do not count for it, findings elsewhere
