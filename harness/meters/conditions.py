"""Conditions that energy and latency depend on: temperature, clock, power limit, throttling, where readable."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.api import Device
from harness.meters.nvml import answered, current_gpu, nvml
from harness.meters.unreadable import Unreadable

UNITS = {"temperature_c": "degC", "clock_hz": "Hz", "power_limit_w": "W", "throttle_reasons": "1"}

SYSFS = Path("/sys")
PACKAGE_SENSORS = {"x86_pkg_temp", "k10temp", "cpu-thermal", "cpu_thermal"}


def conditions(device: Device) -> dict[str, float]:
    """Those of the device computed on, under the names in UNITS; one that can't be read is left out."""
    if device.kind != "cuda":
        return cpu_conditions()
    try:
        with nvml() as pynvml:
            return gpu_conditions(pynvml, current_gpu(pynvml))
    except Unreadable:
        return {}


def gpu_conditions(pynvml: Any, gpu: Any) -> dict[str, float]:
    """From NVML; `throttle_reasons` is its bit mask, 0 when nothing holds the clock down."""
    celsius = answered(lambda: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU))
    megahertz = answered(lambda: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM))
    milliwatts = answered(lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu))
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
    return known(
        temperature_c=max(millidegrees) / 1e3 if millidegrees else None,
        clock_hz=statistics.fmean(kilohertz) * 1e3 if kilohertz else None,
        power_limit_w=sum(microwatts) / 1e6 if microwatts else None,
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
