"""The command's end of a worker: start it, tell it, hear from it, and notice when it is gone."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from harness.spec.errors import WorkerError
from harness.spec.records import Plain

PULSE_S = 30.0


class WorkerGone(WorkerError):
    """The worker died or hung; the message says how."""


WORKER_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    # glibc otherwise gives each freed tensor of over 128 kB back to the kernel and has it cleared page by
    # page at the next request: a sixth of a prefill on a CPU, and half of what a low-rank cache costs.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),  # the most that every glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}


class Channel:
    """One worker process. Use it as a context: leaving ends the process whatever happened."""

    def __init__(
        self,
        timeout_s: float,
        pulse: Callable[[], None] = lambda: None,
        python: str = sys.executable,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`pulse` is called about every PULSE_S seconds while events are waited for."""
        self._timeout_s = timeout_s
        self._pulse = pulse
        self._pulsed = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._process = subprocess.Popen(
            [python, "-m", "harness.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C in a terminal reaches the command alone
            env={**WORKER_ENVIRONMENT, **os.environ, **environment},
        )
        self._buffer = bytearray()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close(graceful=exception[0] is None)

    def close(self, graceful: bool = True) -> None:
        if graceful and self._process.poll() is None:
            with suppress(WorkerGone, subprocess.TimeoutExpired):
                self.tell("close")
                self._process.wait(10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def tell(self, do: str, **facts: Plain) -> None:
        """Sends one message.

        Raises:
            WorkerGone: nobody reads it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **facts}).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, OSError) as error:
            raise WorkerGone(self._last_words()) from error

    def hear(self, until: str) -> Iterator[dict[str, Any]]:
        """Events as they come, up to and including `until` (or `error`).

        Raises:
            WorkerGone: it died, or `timeout_s` passed without an event.
        """
        while True:
            event = self._next()
            yield event
            if event["event"] in (until, "error"):
                return

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + self._timeout_s
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], min(PULSE_S, max(0.0, left)))
            if time.monotonic() - self._pulsed >= PULSE_S:
                # Not at every event: a write to the store would run beside the next timed request.
                self._pulse()
                self._pulsed = time.monotonic()
            if not ready:
                if left > PULSE_S:
                    continue
                self._process.kill()
                raise WorkerGone(
                    f"hung: no progress in {self._timeout_s:g} s (raise worker.timeout if its samples take longer)"
                )
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                self._process.wait()
                raise WorkerGone(self._last_words())
            self._buffer += chunk
        event: dict[str, Any] = json.loads(self._buffer[:end])
        del self._buffer[: end + 1]
        return event

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        if code == -signal.SIGKILL:
            return "killed by the system (SIGKILL), most likely for memory; use a shorter context or a smaller model"
        if code < 0:
            where = next((line.strip() for line in lines if line.strip().startswith("File ")), "")
            return f"crashed with {signal.Signals(-code).name}{f' at {where}' if where else ''}"
        return f"ended with exit code {code}: {lines[-1] if lines else 'no message'}"
