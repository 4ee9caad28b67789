"""Power polled and summed up, for a GPU that tells its power and has no energy counter; in joules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

from harness.meters.conditions import gpu_conditions
from harness.meters.nvml import current_gpu, nvml
from harness.meters.unreadable import Unreadable

EVERY_S = 0.05
LEAST_HZ = 10.0
SETTLED_S = 1.0  # over less a rate says nothing


class Integral:
    """Joules from watts seen now and then, by trapezoids."""

    def __init__(self, now_s: float, watts: float) -> None:
        self._start_s = self._last_s = now_s
        self._watts = watts
        self._polls = 0
        self.joules = 0.0

    def add(self, now_s: float, watts: float) -> None:
        self.joules += (now_s - self._last_s) * (self._watts + watts) / 2
        self._last_s, self._watts, self._polls = now_s, watts, self._polls + 1

    def check(self) -> None:
        """
        Raises:
            Unreadable: power was seen too seldom to be summed up.
        """
        seconds = self._last_s - self._start_s
        if seconds >= SETTLED_S and self._polls < LEAST_HZ * seconds:
            rate = self._polls / seconds
            raise Unreadable(f"power was polled {rate:.1f} times a second; {LEAST_HZ:g} are the least")


class NvmlPower:
    """Power of the whole board, which NVML may average over the last second."""

    source = "nvml power, polled"

    def unavailable(self) -> str | None:
        try:
            with nvml() as pynvml:
                pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(0))
        except Unreadable as error:
            return str(error)
        return None

    @contextmanager
    def open(self) -> Iterator[PowerGauge]:
        with nvml() as pynvml:
            gpu = current_gpu(pynvml)
            gauge = PowerGauge(lambda: read_watts(pynvml, gpu), lambda: gpu_conditions(pynvml, gpu))
            with gauge.polling():
                yield gauge


class PowerGauge:
    """Sums up power on a thread of its own while it is polling."""

    def __init__(
        self,
        watts: Callable[[], float],
        conditions: Callable[[], dict[str, float]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watts = watts
        self._clock = clock
        self._lock = Lock()
        self._failure: Unreadable | None = None
        self._integral = Integral(clock(), watts())
        self.conditions = conditions

    def joules(self) -> dict[str, float]:
        self._poll()
        if self._failure is not None:
            raise self._failure
        self._integral.check()
        return {"gpu": self._integral.joules}

    @contextmanager
    def polling(self) -> Iterator[None]:
        done = Event()

        def work() -> None:
            while not done.wait(EVERY_S) and self._failure is None:
                self._poll()

        thread = Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _poll(self) -> None:
        with self._lock:
            try:
                watts = self._watts()
            except Unreadable as error:
                self._failure = error
            else:
                self._integral.add(self._clock(), watts)


def read_watts(pynvml: Any, gpu: Any) -> float:
    """
    Raises:
        Unreadable: the driver stopped answering.
    """
    try:
        return float(pynvml.nvmlDeviceGetPowerUsage(gpu)) / 1e3
    except pynvml.NVMLError as error:
        raise Unreadable(f"NVML: {error}") from None
