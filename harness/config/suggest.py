"""Sentences for what a command gets wrong: what was given, what is near, what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.plugin.discovery import Registry
from harness.plugin.discovery import unknown as _unknown
from harness.plugin.knobs import Knobbed, nearest
from harness.spec.errors import KnobError, UsageError

SYNONYMS = {("device", "gpu"): "cuda"}


def unknown(kind: str, name: str, names: Iterable[str]) -> UsageError:
    """For kinds that are no plugins: devices, measures."""
    names = list(names)
    if meant := SYNONYMS.get((kind, name)):
        return UsageError(f"unknown {kind} {name!r}; did you mean {meant}? {kind.capitalize()}s: {', '.join(names)}")
    return UsageError(_unknown(kind, name, names))


def unknown_word(head: str, heads: Sequence[str], registry: Registry, protocol: type[Knobbed]) -> UsageError:
    """`context=512` lacks its `task.`, `tsk=ruler` a letter."""
    homes = [
        *(f"task.{head}" for task in registry.tasks.values() if has(task, head)),
        *(f"model.{head}" for model in registry.models.values() if has(model, head)),
        *(f"method.all.{head}" for method in registry.methods.values() if has(method, head)),
        *([f"measure.{head}"] if has(protocol, head) else []),
    ]
    meant = f"; did you mean {homes[0]}?" if homes else nearest(head, heads) or "."
    return UsageError(f"unknown word {head!r}{meant} Words: {', '.join(heads)}")


def no_setting(name: str, owners: Mapping[str, type[Knobbed]]) -> KnobError:
    """None of `owners`, by the names they go by in the command, has the knob `name`."""
    knobs = {owner: [one.name for one in kind.knobs()] for owner, kind in owners.items()}
    meant = nearest(name, {knob for names in knobs.values() for knob in names})
    listed = [f"{owner} has: {', '.join(names) or 'none'}" for owner, names in knobs.items()]
    if len(knobs) == 1:
        (owner,) = knobs
        return KnobError(f"{owner} has no setting {name!r}{meant} ({listed[0].replace(owner, 'it', 1)})")
    return KnobError(f"nothing in this command has a setting {name!r}{meant} ({'; '.join(listed)})")


def has(owner: type[Knobbed], name: str) -> bool:
    return any(one.name == name for one in owner.knobs())
