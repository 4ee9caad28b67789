"""What a class must have before the core relies on it. Each check says what to write."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from harness.plugin.contracts import Method, Model, Seam, Subject, Task, Traits
from harness.plugin.knobs import Knobbed
from harness.spec.errors import KnobError, PluginError
from harness.spec.records import Metric

NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*")
RESERVED = {"method": ("all",)}
CONTRACT = (Method, Task, Model, Knobbed)
BASES: dict[str, type] = {"method": Method, "task": Task, "model": Model, "subject": Subject}


def check(kind: str, offered: Any) -> None:
    """Checks one class that a plugin offers as a method, task, model, subject or meter.

    Raises:
        PluginError: what it lacks, and how to write it.
    """
    if not isinstance(offered, type):
        raise PluginError(f"{offered!r} is not a class; offer classes, the core makes the objects")
    base = BASES.get(kind)
    if base is not None and not issubclass(offered, base):
        raise PluginError(f"{offered.__name__} is offered as a {kind} and must derive from {base.__name__}")
    _named(kind, offered)
    CHECKS[kind](offered)


def _method(offered: type[Method]) -> None:
    traits = getattr(offered, "traits", None)
    if not isinstance(traits, Traits):
        raise PluginError(f"{offered.__name__} has no traits; write `traits = Traits(family=...)`")
    _traits(offered, traits)
    _writes(offered, Method, "apply", *(["prepare"] if traits.prepares else []))
    _knobs(offered)
    _builds(offered, dict(offered.neutral or {}), "with its neutral settings")


def _traits(offered: type, traits: Traits) -> None:
    if not traits.family or not isinstance(traits.family, str):
        raise PluginError(f"{offered.__name__}.traits names no family")
    for name in ("subjects", "seams", "evidence", "controls", "requires", "breaks"):
        words = getattr(traits, name)
        if isinstance(words, str | Mapping) or not all(isinstance(word, str) for word in words):
            raise PluginError(f"{offered.__name__}.traits.{name} must be a set of words, got {words!r}")


def _task(offered: type[Task]) -> None:
    kinds = getattr(offered, "subjects", None)
    if not kinds or isinstance(kinds, str) or not all(isinstance(kind, str) for kind in kinds):
        raise PluginError(f"{offered.__name__} does not say who can answer it; write `subjects = frozenset({{...}})`")
    metrics: Any = offered.metrics
    if not isinstance(metrics, property) and not all(isinstance(metric, Metric) for metric in metrics):
        raise PluginError(f"{offered.__name__}.metrics must hold Metric objects, got {metrics!r}")
    _writes(offered, Task, "planned", "make_samples")
    _knobs(offered)


def _model(offered: type[Model]) -> None:
    if not isinstance(getattr(offered, "kind", None), str):
        raise PluginError(f'{offered.__name__} does not say what it loads; write `kind = "causal-lm"`')
    _writes(offered, Model, "fetch", "load")
    _knobs(offered)


def _subject(offered: type[Subject]) -> None:
    seams = offered.seams
    if not isinstance(seams, Mapping) or not all(isinstance(seam, Seam) for seam in seams.values()):
        raise PluginError(f"{offered.__name__}.seams must map names to Seam(...), got {seams!r}")


def _meter(offered: Any) -> None:
    for name, wanted in (("timed", bool), ("revision", int)):
        if not isinstance(getattr(offered, name, None), wanted):
            raise PluginError(f"{offered.__name__}.{name} must be {wanted.__name__}; see Meter in harness.api")
    for name in ("unavailable", "read"):
        if not callable(getattr(offered, name, None)):
            raise PluginError(f"{offered.__name__} does not write {name}(); see Meter in harness.api")


CHECKS = {"method": _method, "task": _task, "model": _model, "subject": _subject, "meter": _meter}


def _named(kind: str, offered: type) -> None:
    attribute = "kind" if kind == "subject" else "name"
    name = getattr(offered, attribute, None)
    if not isinstance(name, str):
        raise PluginError(f'{offered.__name__} has no {attribute}; write `{attribute} = "..."`')
    if kind != "subject" and not NAME.fullmatch(name):
        raise PluginError(f"{offered.__name__}.name must be lower-case words joined by _ or /, got {name!r}")
    if name in RESERVED.get(kind, ()):
        raise PluginError(f"{offered.__name__}.name can't be {name!r}: the command line gives it a meaning of its own")


def _writes(offered: type, base: type, *names: str) -> None:
    for name in names:
        if getattr(offered, name) is getattr(base, name):
            raise PluginError(f"{offered.__name__} does not write {name}()")


def _knobs(offered: type[Knobbed]) -> None:
    if any(isinstance(value, dataclasses.Field) for value in vars(offered).values()):
        raise PluginError(f"{offered.__name__} has knobs but is no dataclass; write @dataclass(frozen=True) above it")
    for field in dataclasses.fields(offered):
        if "knob" not in field.metadata:
            raise PluginError(f"{offered.__name__}.{field.name} is no knob; write `knob(default, help=...)`")
        if any(field.name in vars(base) for base in CONTRACT if issubclass(offered, base)):
            raise PluginError(f"{offered.__name__}.{field.name} hides a part of the contract; name the knob otherwise")
    _builds(offered, {}, "with its defaults")


def _builds(offered: type[Knobbed], knobs: dict[str, Any], how: str) -> None:
    try:
        offered.build(knobs)
    except KnobError as error:
        raise PluginError(f"{offered.__name__} can't be built {how}: {error}") from error
