"""The hooks a plugin may implement.

The first five offer classes; see `harness.plugin.contracts`. The others are told what happens while
a command works, each time after the store has it. One that raises is named once, its plugin is told
nothing more, and the runs go on. What it does takes time between samples, never inside a timed request.
"""

from __future__ import annotations

import pluggy

from harness.plugin.contracts import Meter, Method, Model, Subject, Task
from harness.spec.events import RunEvent, SampleEvent, StudyEvent

PROJECT = "harness"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def harness_methods() -> list[type[Method]]:  # type: ignore[empty-body]
    """Techniques under test."""


@hookspec
def harness_tasks() -> list[type[Task]]:  # type: ignore[empty-body]
    """Samples plus metrics."""


@hookspec
def harness_models() -> list[type[Model]]:  # type: ignore[empty-body]
    """Recipes for loading subjects."""


@hookspec
def harness_subjects() -> list[type[Subject]]:  # type: ignore[empty-body]
    """Kinds of loaded objects. Called only where one is loaded or its seams are checked."""


@hookspec
def harness_meters() -> list[type[Meter]]:  # type: ignore[empty-body]
    """Instruments."""


@hookspec
def harness_study_started(study: StudyEvent) -> None:
    """A command begins; what of its runs an earlier one has done is marked so."""


@hookspec
def harness_sample_finished(sample: SampleEvent) -> None:
    """A sample was answered and scored. Those that an earlier command has done are not told again."""


@hookspec
def harness_run_finished(run: RunEvent) -> None:
    """A run has every sample, or failed: before, or while it was timed."""


@hookspec
def harness_study_finished(study: StudyEvent) -> None:
    """A command ends, its costs read; or it was stopped."""
