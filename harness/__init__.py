"""A benchmark of efficient machine learning. For plugins, `harness.api`; for notebooks, what is named here."""

from importlib import import_module
from typing import Any

__all__ = ["load_comparison", "load_readings", "load_runs", "load_samples"]


def __getattr__(name: str) -> Any:
    # By name, so that importing harness costs nothing, and no layer below the reports leans on them.
    if name in __all__:
        return getattr(import_module("harness.report.load"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
