"""Conditions that energy and latency depend on: temperature, clock, power limit, throttling, load, where readable."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.api import Device, Reading
from harness.meters.nvml import answered, current_gpu, nvml
from harness.meters.unreadable import Unreadable

UNITS = {"temperature_c": "degC", "clock_hz": "Hz", "power_limit_w": "W"}

SYSFS = Path("/sys")
PACKAGE_SENSORS = {"x86_pkg_temp", "k10temp", "cpu-thermal", "cpu_thermal"}
HELD_DOWN = 0x4 | 0x8 | 0x20 | 0x40 | 0x80  # NVML's reasons: power cap, hardware, heat (two of them), power brake


def conditions(device: Device) -> dict[str, float]:
    """Those of the device computed on: the names in UNITS, and what throttling is told from.

    That is `throttle_reasons` on a GPU, NVML's bit mask of this moment, and `throttle_count` on a CPU,
    how often its cores and packages were held down since the machine started. What can't be read is left out.
    """
    if device.kind != "cuda":
        return cpu_conditions()
    try:
        with nvml() as pynvml:
            return gpu_conditions(pynvml, current_gpu(pynvml))
    except Unreadable:
        return {}


def gpu_conditions(pynvml: Any, gpu: Any) -> dict[str, float]:
    """From NVML."""
    celsius = answered(lambda: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU))
    megahertz = answered(lambda: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM))
    milliwatts = answered(lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu))
    reasons = answered(lambda: pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu))
    if reasons is None:  # drivers before 535 know it by its old name alone
        reasons = answered(lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu))
    return known(
        temperature_c=celsius,
        clock_hz=None if megahertz is None else megahertz * 1e6,
        power_limit_w=None if milliwatts is None else milliwatts / 1e3,
        throttle_reasons=reasons,
    )


def cpu_conditions(root: Path = SYSFS) -> dict[str, float]:
    """From sysfs: the hottest package sensor, the mean clock of the cores, the packages' long-term power limits."""
    zones = root.glob("class/thermal/thermal_zone*/type")
    sensors = [zone.with_name("temp") for zone in zones if text(zone) in PACKAGE_SENSORS]
    millidegrees = numbers(sensors)
    kilohertz = numbers(root.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    domains = root.glob("class/powercap/intel-rapl:*/name")
    packages = [domain.parent for domain in domains if (text(domain) or "").startswith("package")]
    microwatts = numbers(package / "constraint_0_power_limit_uw" for package in packages)
    throttled = numbers(root.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"))
    return known(
        temperature_c=max(millidegrees) / 1e3 if millidegrees else None,
        clock_hz=statistics.fmean(kilohertz) * 1e3 if kilohertz else None,
        power_limit_w=sum(microwatts) / 1e6 if microwatts else None,
        throttle_count=sum(throttled) if throttled else None,
    )


def known(**values: float | None) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def numbers(paths: Iterable[Path]) -> list[float]:
    return [float(found) for found in map(text, paths) if found is not None and found.lstrip("-").isdigit()]


def text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


class Machine:
    """What else a latency depends on, noted when it is made and when it is asked for its readings."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._source = "nvml" if device.kind == "cuda" else "sysfs"
        self._load = os.getloadavg()[0]
        self._before = conditions(device)

    def readings(self) -> list[Reading]:
        after, load = conditions(self._device), os.getloadavg()[0]
        # Afterwards the load average holds this process's own work: the value is what was there before.
        detail = {"before": self._load, "after": load}
        return [
            Reading("load_average", self._load, "1", "os.getloadavg", detail=detail),
            self._threads(),
            *(self._condition(metric, after) for metric in UNITS),
            self._throttled(after),
        ]

    def _threads(self) -> Reading:
        torch = sys.modules.get("torch")
        if torch is None:
            return Reading("threads", float(self._device.threads), "1", "device.threads")
        return Reading("threads", float(torch.get_num_threads()), "1", "torch.get_num_threads")

    def _condition(self, metric: str, after: dict[str, float]) -> Reading:
        if metric not in after:
            return self._hidden(metric, UNITS[metric])
        detail = {"before": self._before.get(metric), "after": after[metric]}
        return Reading(metric, after[metric], UNITS[metric], self._source, detail=detail)

    def _throttled(self, after: dict[str, float]) -> Reading:
        """1 where something held the clock down before, after, or (told by a CPU's counters) in between."""
        name = "throttle_reasons" if self._device.kind == "cuda" else "throttle_count"
        if name not in after or name not in self._before:
            return self._hidden("throttled", "1")
        detail = {"before": self._before[name], "after": after[name]}
        if name == "throttle_reasons":
            throttled = bool((int(detail["before"]) | int(detail["after"])) & HELD_DOWN)
        else:
            throttled = detail["after"] > detail["before"]
        return Reading("throttled", float(throttled), "1", self._source, detail={"of": name, **detail})

    def _hidden(self, metric: str, unit: str) -> Reading:
        return Reading(metric, None, unit, self._source, f"{self._source} does not show it on this machine")
