"""NVML: the GPU's own cumulative energy counter, in joules. Needs Volta or newer and the extra `harness-ml[gpu]`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.meters.conditions import gpu_conditions
from harness.meters.nvml import current_gpu, nvml
from harness.meters.unreadable import Unreadable


class Nvml:
    """Energy of the whole board since the driver was loaded, in steps of about 100 ms."""

    source = "nvml"

    def unavailable(self) -> str | None:
        # Asked of the first GPU: which one torch will use is not known without torch.
        try:
            with nvml() as pynvml:
                pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0))
        except Unreadable as error:
            return str(error)
        return None

    @contextmanager
    def open(self) -> Iterator[NvmlGauge]:
        with nvml() as pynvml:
            yield NvmlGauge(pynvml, current_gpu(pynvml))


class NvmlGauge:
    def __init__(self, pynvml: Any, gpu: Any) -> None:
        self._pynvml = pynvml
        self._gpu = gpu

    def joules(self) -> dict[str, float]:
        """Unreadable when the driver stops answering."""
        try:
            return {"gpu": self._pynvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu) / 1e3}
        except self._pynvml.NVMLError as error:
            raise Unreadable(f"NVML: {error}") from None

    def conditions(self) -> dict[str, float]:
        return gpu_conditions(self._pynvml, self._gpu)
