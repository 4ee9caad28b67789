"""The one door for plugins, and the only versioned promise.

Everything a plugin needs is imported from here; tests of plugins also use `harness.testing`.
"""

from harness.plugin.contracts import (
    Arm,
    Evidence,
    Meter,
    Method,
    Model,
    Preparation,
    Seam,
    Stack,
    Subject,
    Task,
    Traits,
    Workload,
    phases,
)
from harness.plugin.environments import catalogue
from harness.plugin.hookspecs import hookimpl
from harness.plugin.knobs import knob, nearest
from harness.plugin.layers import Layers
from harness.plugin.sources import cache_folder, fetch_wheel
from harness.spec.errors import (
    HarnessError,
    IncompatibleError,
    KnobError,
    MissingEnvironment,
    PluginError,
    SourceError,
    UsageError,
    WorkerError,
)
from harness.spec.events import RunEvent, SampleEvent, StudyEvent
from harness.spec.identity import file_digest
from harness.spec.records import Device, Measure, Metric, Reading, Response, Sample, Score, Source

__all__ = [
    "Arm",
    "Device",
    "Evidence",
    "HarnessError",
    "IncompatibleError",
    "KnobError",
    "Layers",
    "Measure",
    "Meter",
    "Method",
    "Metric",
    "MissingEnvironment",
    "Model",
    "PluginError",
    "Preparation",
    "Reading",
    "Response",
    "RunEvent",
    "Sample",
    "SampleEvent",
    "Score",
    "Seam",
    "Source",
    "SourceError",
    "Stack",
    "StudyEvent",
    "Subject",
    "Task",
    "Traits",
    "UsageError",
    "WorkerError",
    "Workload",
    "cache_folder",
    "catalogue",
    "fetch_wheel",
    "file_digest",
    "hookimpl",
    "knob",
    "nearest",
    "phases",
]
