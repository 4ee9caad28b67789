"""Hardware and software a run was made on: it splits comparisons, and is read without importing torch."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import harness
from harness.plugin.environments import named
from harness.spec.identity import digest
from harness.spec.records import Plain
from harness.version import __version__

SPLITS = ("cpu", "cores", "gpus", "python", "torch", "transformers")


def environment(name: str = "") -> tuple[str, dict[str, Plain]]:
    """Its fingerprint, over what splits comparisons, and all that is known of it; `name`: of a named environment."""
    facts: dict[str, Plain] = {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": gpu_names(),
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy", "lm-eval")},
    }
    splits = {fact: facts[fact] for fact in SPLITS}
    if name:
        other = named(name)
        own = other.own()
        facts |= {one: other.version(one) for one in ("torch", "transformers", "tokenizers", "numpy")}
        facts |= {"environment": name, "packages": own}
        splits = {fact: facts[fact] for fact in (*SPLITS, "environment", "packages")}
    return digest(splits), facts


def version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpu_names() -> list[str]:
    reports = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    lines = [line for report in reports for line in report.read_text().splitlines()]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]


@cache
def core_state() -> str:
    """The core's version, and `+dirty` where its checkout has uncommitted changes."""
    folder = Path(harness.__file__).parent
    if not (folder.parent / ".git").exists():
        return __version__
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "status", "--porcelain", "--", "."], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return __version__
    return f"{__version__}+dirty" if done.stdout.strip() else __version__
