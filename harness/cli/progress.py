"""Bars on a terminal, a line now and then elsewhere; all of it on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

EVERY_S = 15.0


class Bars:
    """Watches a study on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim"),
            console=Console(stderr=True),
        )
        self._task: Any = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, phase: str, total: int, done: int = 0) -> None:
        if self._task is not None:
            self._progress.update(self._task, note="")
        self._task = self._progress.add_task(phase, total=total, completed=done, note="")

    def step(self, note: str, by: int = 1) -> None:
        if self._task is not None:
            self._progress.update(self._task, advance=by, note=note)

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


class Lines:
    """Watches a study where nobody sees a bar: a log file, a pipe."""

    def __init__(self) -> None:
        self._phase, self._total, self._done, self._told = "", 0, 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, phase: str, total: int, done: int = 0) -> None:
        self._phase, self._total, self._done = phase, total, done
        self.say(f"{phase}: {done} of {total} done")
        self._told = time.monotonic()

    def step(self, note: str, by: int = 1) -> None:
        self._done += by
        if time.monotonic() - self._told >= EVERY_S or (by and self._done == self._total):
            self.say(f"{self._phase}: {self._done} of {self._total} ({note})")
            self._told = time.monotonic()

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def watching() -> Bars | Lines:
    return Bars() if sys.stderr.isatty() else Lines()
