"""A run's place in a worker: its stack applied for a sample, or held from sample to sample."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.plugin.blame import sentence, trace
from harness.plugin.contracts import Evidence, Stack, Subject
from harness.spec.errors import HarnessError
from harness.spec.records import Plain

Emit = Callable[..., None]
Take = Callable[[], dict[str, float]]  # a sample's evidence


class Hold:
    """What stays applied from one sample to the next: the stack of at most one arm."""

    def __init__(self) -> None:
        self._arm: RunArm | None = None
        self._open = ExitStack()
        self._evidences: list[Evidence] = []
        self._standing: dict[str, float] = {}

    def enter(self, arm: RunArm, subject: Subject) -> tuple[list[Evidence], dict[str, float]]:
        """Applies an arm's stack unless it is; returns its evidence, and what applying it once has left as such."""
        if self._arm is not arm:
            self.release()
            self._evidences = self._open.enter_context(arm.stack.apply(subject, arm.artifacts))
            self._arm, self._standing = arm, arm.stack.evidence(self._evidences)
        return self._evidences, self._standing

    def release(self) -> None:
        """Gives the subject back as it was."""
        self._arm = None
        self._open.close()


@dataclass(eq=False)
class RunArm:
    """One run's stack."""

    run: int
    stack: Stack
    emit: Emit
    artifacts: list[Path | None] = field(default_factory=list)
    hold: Hold = field(default_factory=Hold)  # the worker's: one for all its arms
    failed: bool = False
    _take: Take = dict

    @property
    def evidence(self) -> dict[str, float]:
        """Of the sample it has just answered: what acts at a seam may act until the answer is there."""
        return self._take()

    def apply(self, subject: Subject) -> AbstractContextManager[None]:
        return self._announced(subject)

    @contextmanager
    def _announced(self, subject: Subject) -> Iterator[None]:
        self.emit("acting", run=self.run)
        entered = False
        try:
            with self.applied(subject) as self._take:
                entered = True
                yield
        except (Exception, SystemExit) as error:
            self.failed = True
            self.emit("failed", run=self.run, **told(error))
        if self.failed:
            release_memory()  # not sooner: while it is handled, an error holds what its frames held
        if not entered:
            with suppress(Exception):
                yield  # a with statement can't be left before its body; what that answers is dropped
        self.emit("acting", run=None)

    @contextmanager
    def applied(self, subject: Subject) -> Iterator[Take]:
        """Its stack in place, and nothing that was held for another; what is held for it stays so afterwards."""
        if self.stack.held(subject.seams):
            evidences, standing = self.hold.enter(self, subject)
            try:
                yield lambda: standing | self.stack.evidence(evidences)
            except BaseException:
                self.hold.release()
                raise
        else:
            self.hold.release()
            with self.stack.apply(subject, self.artifacts) as evidences:
                yield lambda: self.stack.evidence(evidences)


def release_memory() -> None:
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def told(error: BaseException) -> dict[str, Plain]:
    """An error as plain data: a sentence, and where a plugin raised it."""
    return {"reason": sentence(error), "trace": None if isinstance(error, HarnessError) else trace(error)}
