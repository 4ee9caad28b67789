"""The hooks a plugin may implement, each returning classes; see `harness.plugin.contracts`."""

from __future__ import annotations

import pluggy

from harness.plugin.contracts import Meter, Method, Model, Subject, Task

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
