"""The worker: a process that loads a subject once and does what the command's process tells it.

It reads one JSON message a line from standard input and writes events the same way, and needs only
the standard library, pluggy and what its plugins need: it may run in another Python environment.
Token ids come in and go out; samples are made, scored and stored elsewhere.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TextIO

from harness.plugin.blame import sentence, trace
from harness.plugin.contracts import Stack, Subject, Workload
from harness.plugin.discovery import Registry, load
from harness.spec.errors import HarnessError, PluginError
from harness.spec.records import Device, Measure, Plain, Response, Setting

Emit = Callable[..., None]


@dataclass
class RunArm:
    """One run's place in this worker."""

    run: int
    stack: Stack
    emit: Emit
    evidence: dict[str, float] = field(default_factory=dict)
    failed: bool = False

    @contextmanager
    def _applied(self, subject: Subject) -> Iterator[None]:
        self.emit("acting", run=self.run)
        try:
            with self.stack.apply(subject) as evidences:
                yield
                self.evidence = self.stack.evidence(evidences)
        except (Exception, SystemExit) as error:
            self.failed = True
            self.emit("failed", run=self.run, **told(error))
        if self.failed:
            release_memory()  # not sooner: while it is handled, an error holds what its frames held
        self.emit("acting", run=None)

    def apply(self, subject: Subject) -> AbstractContextManager[None]:
        return self._applied(subject)


@dataclass
class Worker:
    registry: Registry
    emit: Emit
    subject: Subject
    device: Device
    arms: dict[int, RunArm]

    def answer(self, request: dict[str, Plain], runs: list[int]) -> None:
        arms = [arm for arm in (self.arms[run] for run in runs) if not arm.failed]
        for arm, response in self.subject.answer(request, arms):
            assert isinstance(arm, RunArm)
            self.emit("answer", run=arm.run, output=response.output, observed=response.observed, evidence=arm.evidence)
        self.emit("answered")

    def read(self, run: int, meters: list[str], requests: list[dict[str, Plain]], measure: dict[str, Plain]) -> None:
        arm = self.arms[run]
        workload = Workload(
            self.subject,
            self.device,
            requests,
            execute=lambda request: self._execute(arm, request),
            progress=lambda: self.emit("progress"),
        )
        for name in meters:
            meter = self.registry.meters[name]()
            readings = meter.read(workload, Measure(**measure))
            self.emit("readings", meter=name, revision=meter.revision, readings=[asdict(one) for one in readings])
        self.emit("read")

    def _execute(self, arm: RunArm, request: dict[str, Plain]) -> Response:
        """One request under the arm's stack, nothing shared; evidence is demanded here too."""
        with arm.stack.apply(self.subject) as evidences:
            response = self.subject.respond(request, arm.stack.needs())
            missing = arm.stack.missing(arm.stack.evidence(evidences))
        if missing:
            raise PluginError(f"{arm.stack.label} left no evidence of {', '.join(missing)} in a timed sample")
        return response


def open_worker(message: dict[str, Plain], emit: Emit) -> Worker:
    """Loads the model and every stack, and says how long it took."""
    registry = load()
    device = Device(**message["device"])
    started = time.perf_counter()
    recipe = registry.model(message["model"]["name"]).build(message["model"]["knobs"])
    subject = recipe.load(message["location"], device)
    arms = {run["run"]: RunArm(run["run"], build_stack(registry, run["stack"]), emit) for run in message["runs"]}
    emit("ready", load_s=time.perf_counter() - started)
    return Worker(registry, emit, subject, device, arms)


def build_stack(registry: Registry, stack: list[dict[str, Plain]]) -> Stack:
    settings = [Setting.from_plain(one) for one in stack]
    return Stack(tuple(registry.method(one.name).build(one.knobs) for one in settings))


def release_memory() -> None:
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def told(error: BaseException) -> dict[str, Plain]:
    """An error as plain data: a sentence, and where a plugin raised it."""
    return {"reason": sentence(error), "trace": None if isinstance(error, HarnessError) else trace(error)}


def serve(lines: TextIO, emit: Emit) -> None:
    """Does as told until told to close, or until the command's process is gone."""
    worker: Worker | None = None
    for line in lines:
        message = json.loads(line)
        do = message.pop("do")
        try:
            if do == "open":
                worker = open_worker(message, emit)
            elif do == "close":
                return
            elif worker is not None:
                getattr(worker, {"answer": "answer", "read": "read"}[do])(**message)
        except Exception as error:
            emit("error", **told(error))


def private_output() -> TextIO:
    """Where events go. Whatever a library prints goes to standard error instead."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return output


def end_with_parent() -> None:
    """Has the kernel end this process when the one that started it ends (Linux)."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()


def main() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command's process decides when to stop
    faulthandler.enable()
    output = private_output()

    def emit(event: str, **facts: Plain) -> None:
        output.write(json.dumps({"event": event, **facts}) + "\n")

    serve(sys.stdin, emit)


if __name__ == "__main__":
    main()
