"""Memory: peaks of the device's allocator and of the process, and what stays resident, in bytes."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import NamedTuple

from harness.api import Device, Measure, Reading, Response, Workload
from harness.meters.nvml import current_gpu, nvml, process_bytes
from harness.meters.unreadable import Unreadable

PROC = Path("/proc/self")
RESET_PEAK = "5"  # proc(5): what to write to clear_refs
SLACK_BYTES = 16 << 20  # a peak this far above the resident size just after its reset was not reset


class Memory:
    """Reads the peak over one warm request.

    `peak_allocated_bytes`, `peak_reserved_bytes`: torch's CUDA allocator. `process_device_bytes`: the
    driver's count for this process, after the request. `peak_rss_bytes`: the kernel's VmHWM, reset
    before; `peak_rss_growth_bytes`: that minus the resident size (VmRSS) just before the request.
    `cache_bytes`: what the subject says is resident at the end, where it does.
    """

    name = "memory"
    timed = False
    revision = 1

    def __init__(self, proc: Path = PROC) -> None:
        self._host = HostPeak(proc)

    def unavailable(self, device: Device) -> str | None:
        return None

    def read(self, workload: Workload, measure: Measure) -> list[Reading]:
        # A first request also reads in weights that were only mapped, loads kernels and starts threads,
        # which would be called its growth. So one has run before; then what it left in the allocators,
        # host and device, is given back: kept, it would hide growth from VmRSS, and be counted as reserved.
        if not workload.executed:
            workload.run(0)
        workload.subject.synchronize()
        settle(workload.device)
        before = self._host.reset()
        response = workload.run(0)
        workload.subject.synchronize()
        return [
            *device_readings(workload.device),
            *self._host.readings(before),
            *resident_readings(response),
        ]


def settle(device: Device) -> None:
    """Returns freed memory to the system and starts the device's peaks anew."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)
    if device.kind == "cuda":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


class Resident(NamedTuple):
    """A process's resident size and its peak since the last reset, bytes."""

    now: int
    peak: int


class HostPeak:
    """Linux's high-water mark of this process's resident memory."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc

    def reset(self) -> Resident | str:
        """The sizes just after the reset, or why there was none."""
        try:
            (self._proc / "clear_refs").write_text(RESET_PEAK)
            found = self._resident()
        except (OSError, KeyError) as error:
            return f"can't reset the peak of resident memory: {error}"
        if found.peak - found.now > SLACK_BYTES:
            return "the kernel did not reset the peak of resident memory"
        return found

    def readings(self, before: Resident | str) -> list[Reading]:
        if isinstance(before, str):
            return [unknown("peak_rss_bytes", "VmHWM", before), unknown("peak_rss_growth_bytes", "VmHWM", before)]
        peak = self._resident().peak
        return [
            Reading("peak_rss_bytes", float(peak), "B", "VmHWM"),
            Reading("peak_rss_growth_bytes", float(peak - before.now), "B", "VmHWM"),
        ]

    def _resident(self) -> Resident:
        lines = (self._proc / "status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return Resident(*(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")))


def device_readings(device: Device) -> list[Reading]:
    allocator = ("peak_allocated_bytes", "peak_reserved_bytes")
    if device.kind != "cuda":
        return [
            *(unknown(metric, "torch.cuda", f"no allocator counters on {device.kind}") for metric in allocator),
            unknown("process_device_bytes", "nvml", f"no device memory on {device.kind}"),
        ]
    import torch

    peaks = (torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())
    return [
        *(Reading(metric, float(peak), "B", "torch.cuda") for metric, peak in zip(allocator, peaks, strict=True)),
        driver_reading(),
    ]


def driver_reading() -> Reading:
    try:
        with nvml() as pynvml:
            used = process_bytes(pynvml, current_gpu(pynvml))
    except Unreadable as error:
        return unknown("process_device_bytes", "nvml", str(error))
    return Reading("process_device_bytes", float(used), "B", "nvml")


def resident_readings(response: Response) -> list[Reading]:
    observed = response.observed.get("end_resident_bytes")
    return [] if observed is None else [Reading("cache_bytes", observed, "B", "subject")]


def unknown(metric: str, source: str, reason: str) -> Reading:
    return Reading(metric, None, "B", source, reason)
