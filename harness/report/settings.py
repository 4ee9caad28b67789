"""A technique's settings in few words: knobs that differ from their defaults, or vary in the study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.spec.identity import canonical
from harness.spec.records import Plain, Setting


def telling(
    stack: Iterable[Setting], varying: Iterable[tuple[str, str]], defaults: Mapping[str, Mapping[str, Plain]]
) -> dict[str, str]:
    """Knobs worth telling, with their values in words; in a stack they carry their method: `xkv.group_size`.

    A method whose defaults are unknown tells every knob.
    """
    stack, shown = tuple(stack), set(varying)
    words = {}
    for method in stack:
        usual = defaults.get(method.name, {})
        for knob, value in method.knobs.items():
            if (method.name, knob) in shown or knob not in usual or usual[knob] != value:
                words[f"{method.name}.{knob}" if len(stack) > 1 else knob] = word(value)
    return words


def settings_text(settings: Mapping[str, str]) -> str:
    """`compression_ratio 0.5, window 32`."""
    return ", ".join(f"{knob} {value}" for knob, value in settings.items())


def varying(stacks: Iterable[Iterable[Setting]]) -> set[tuple[str, str]]:
    """(method, knob) with more than one value among these stacks."""
    seen: dict[tuple[str, str], set[str]] = {}
    for stack in stacks:
        for method in stack:
            for knob, value in method.knobs.items():
                seen.setdefault((method.name, knob), set()).add(canonical(value))
    return {key for key, values in seen.items() if len(values) > 1}


def word(value: Plain) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return "[" + ",".join(map(word, value)) + "]"
    return str(value)
