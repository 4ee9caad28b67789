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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from harness.engine.arm import Emit, Hold, RunArm, told
from harness.engine.spending import measured
from harness.plugin.contracts import Preparation, Stack, Subject, Workload
from harness.plugin.discovery import Registry, load
from harness.spec.errors import PluginError
from harness.spec.records import Device, Measure, Plain, Response, Setting


@dataclass
class Worker:
    registry: Registry
    emit: Emit
    subject: Subject
    device: Device
    hold: Hold
    arms: dict[int, RunArm]

    def restore(self, folder: str) -> None:
        """Has the model become what it was trained to."""
        self.hold.release()
        self.subject.restore(Path(folder))
        self.emit("restored")

    def prepare(self, run: int | None, member: int, artifact: str, inputs: dict[str, Plain], **given: Plain) -> None:
        """Has a member of a stack fill `folder`, which the command's process then moves to `artifact`.

        Without a run it is the model itself that is trained.
        """
        self.hold.release()
        preparation = Preparation(
            self.subject,
            given["seed"],
            Path(given["folder"]),
            given["materials"],
            progress=lambda note="": self.emit("progress", note=note),
            training=given["training"],
            inputs={name: load_subject(self.registry, one, self.device) for name, one in inputs.items()},
            scratch=Path(given["scratch"]),
        )
        synchronize = self.subject.synchronize
        if run is None:
            costs = measured(preparation, self.device, self.subject.train, synchronize)
        else:
            arm = self.arms[run]
            method = arm.stack.methods[member]
            with Stack(arm.stack.methods[:member]).apply(self.subject, arm.artifacts[:member]):
                costs = measured(preparation, self.device, method.prepare, synchronize)
            arm.artifacts[member] = Path(artifact)
        self.emit("prepared", readings=[asdict(one) for one in costs])

    def answer(self, request: dict[str, Plain], runs: list[int]) -> None:
        arms = [arm for arm in (self.arms[run] for run in runs) if not arm.failed]
        if not all(arm.stack.held(self.subject.seams) for arm in arms):
            self.hold.release()  # the others share work before they are applied
        for arm, response in self.subject.answer(request, arms):
            assert isinstance(arm, RunArm)
            self.emit("answer", run=arm.run, output=response.output, observed=response.observed, evidence=arm.evidence)
        self.emit("answered")

    def read(self, run: int, meters: list[str], requests: list[dict[str, Plain]], measure: dict[str, Plain]) -> None:
        arm = self.arms[run]
        if arm.stack.held(self.subject.seams):
            self.hold.enter(arm, self.subject)  # packing weights is no part of a request
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
        with arm.applied(self.subject) as take:
            response = self.subject.respond(request, arm.stack.needs())
            missing = arm.stack.missing(take())
        if missing:
            raise PluginError(f"{arm.stack.label} left no evidence of {', '.join(missing)} in a timed sample")
        return response


def open_worker(message: dict[str, Plain], emit: Emit) -> Worker:
    """Loads the model and every stack, and says how long it took."""
    registry = load()
    device = Device(**message["device"])
    started = time.perf_counter()
    subject = load_subject(registry, message, device)
    hold = Hold()
    arms = {
        run["run"]: RunArm(
            run["run"],
            build_stack(registry, run["stack"]),
            emit,
            [None if path is None else Path(path) for path in run["artifacts"]],
            hold,
        )
        for run in message["runs"]
    }
    emit("ready", load_s=time.perf_counter() - started)
    return Worker(registry, emit, subject, device, hold, arms)


def load_subject(registry: Registry, told: dict[str, Plain], device: Device) -> Subject:
    recipe = registry.model(told["model"]["name"]).build(told["model"]["knobs"])
    subject = recipe.load(told["location"], device)
    if told["trained"] is not None:
        subject.restore(Path(told["trained"]))
    return subject


def build_stack(registry: Registry, stack: list[dict[str, Plain]]) -> Stack:
    settings = [Setting.from_plain(one) for one in stack]
    return Stack(tuple(registry.method(one.name).build(one.knobs) for one in settings))


DO = ("restore", "prepare", "answer", "read")


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
                assert do in DO
                getattr(worker, do)(**message)
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
