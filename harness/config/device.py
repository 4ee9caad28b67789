"""Which device a request means on this machine; no torch, no driver loaded."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.spec.errors import IncompatibleError
from harness.spec.records import Device

SYSTEM = Path("/")
# One of these exists where a driver serves a GPU: bare metal, containers, Windows' Linux subsystem.
TRACES = ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "usr/lib/wsl/lib/libcuda.so*")


def resolve_device(kind: str, threads: int | None, system: Path = SYSTEM) -> Device:
    """`auto` becomes cuda where an NVIDIA device is visible, else cpu; no threads, the cores at hand.

    Raises:
        IncompatibleError: cuda is asked for and can't be had.
    """
    absent = why_no_cuda(system)
    if kind == "cuda" and absent:
        raise IncompatibleError(f"device=cuda can't be had: {absent}; use device=cpu or device=auto")
    if kind == "auto":
        kind = "cpu" if absent else "cuda"
    return Device(kind, threads or cores(system))


def why_no_cuda(system: Path = SYSTEM) -> str | None:
    """Why no NVIDIA device can be used here, or None."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1", "NoDevFiles"):
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    if not any(any(system.glob(trace)) for trace in TRACES):
        return "no NVIDIA GPU is visible here"
    if _torch().endswith("+cpu"):
        return f"torch {_torch()} is built without CUDA"
    return None


def cores(system: Path = SYSTEM) -> int:
    """Physical cores this process may use, within its control group's quota."""
    allowed = {_core(system, number) for number in os.sched_getaffinity(0)}
    return max(1, min(len(allowed), int(_quota(system))))


def _core(system: Path, number: int) -> tuple[str, str]:
    """Package and core of a logical processor: two hyper-threads share one."""
    topology = system / f"sys/devices/system/cpu/cpu{number}/topology"
    try:
        return (topology / "physical_package_id").read_text().strip(), (topology / "core_id").read_text().strip()
    except OSError:
        return "", str(number)


def _quota(system: Path) -> float:
    """Processors' worth of time the control groups above this process allow."""
    quotas = [*map(_version_2, _groups(system)), _version_1(system / "sys/fs/cgroup/cpu")]
    return min((quota for quota in quotas if quota is not None), default=float(os.cpu_count() or 1))


def _groups(system: Path) -> list[Path]:
    root = system / "sys/fs/cgroup"
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return [root]
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    return [root / own, *(root / own).parents] if own else [root]


def _version_2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _version_1(folder: Path) -> float | None:
    try:
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError):
        return None


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""
