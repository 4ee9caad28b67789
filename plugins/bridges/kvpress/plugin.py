"""kvpress: the presses of NVIDIA's library, run by its own code in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, make_dataclass
from typing import Any, ClassVar

from harness.api import Evidence, IncompatibleError, KnobError, Method, Traits, catalogue, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import WHOLE, CacheMethod
from harness_plugins.subjects.causal_lm.skipping import EVERY_BLOCK

ENVIRONMENT = "kvpress"
READ_TEMPLATE = ("kvgrad", "kvzip")
ROLES = ("press", "base_press", "prefilling_press")  # settings that name another press
TYPES: dict[str, Any] = {
    "int": int,
    "int?": int | None,
    "float": float,
    "float?": float | None,
    "bool": bool,
    "str": str,
    "[float]": tuple[float, ...],
    "[str]": tuple[str, ...],
}


@dataclass(frozen=True)
class Press(CacheMethod):
    """Base of a method for each press; `entry` is what the environment's catalogue tells of it."""

    entry: ClassVar[Mapping[str, Any]]

    def check(self, facts: Mapping[str, Any]) -> None:
        if self.entry["reason"]:
            raise IncompatibleError(f"{self.name} can't be run here: {self.entry['reason']}; choose another press")
        super().check(facts)
        given = self.settings()
        if "threshold" in given and given["threshold"] is None:
            raise KnobError(f"{self.name}.threshold must be given: keys with a lower score are hidden")
        ratios = given.get("compression_ratios")
        if ratios is not None and len(ratios) != facts["layers"]:
            raise KnobError(
                f"{self.name}.compression_ratios takes a number for each of this model's {facts['layers']} layers, "
                f"got {len(ratios)}"
            )
        self.inside()

    def inside(self) -> dict[str, dict[str, Any]]:
        """The presses inside it by name, with all their settings.

        Raises:
            KnobError: `inner` names a setting that none of them has, or not whose it is.
        """
        mine = self.settings()
        names = [*(mine[role] for role in ROLES if role in mine), *mine.get("presses", ())]
        given: dict[str, dict[str, Any]] = {name: {} for name in names}
        for text in mine.get("inner", ()):
            key, colon, value = text.partition(":")
            owner, _, knob = key.rpartition(".")
            if not colon or owner not in (names if owner or len(given) > 1 else [""]):
                whose = f"{names[0]}." if len(given) > 1 else ""
                raise KnobError(f"{self.name}.inner takes settings as [{whose}window_size:32], got {text!r}")
            given[owner or names[0]][knob] = number(value)
        return {name: kinds()[name].build(settings).settings() for name, settings in given.items()}

    def notes(self, facts: Mapping[str, Any]) -> list[str]:
        if self.entry["name"] not in READ_TEMPLATE:
            return []
        return [f"{self.name} takes the first tokens of a context for those of the model's chat template, unscored"]

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        from .pressing import pressed

        with pressed(self, subject) as evidence:
            yield evidence


def kinds() -> dict[str, type[Method]]:
    """The method for each press, by the press's name."""
    return {entry["name"]: method_of(entry) for entry in catalogue(ENVIRONMENT)}


def number(text: str) -> Any:
    """What a word means: a number, true, false or null; else itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def method_of(entry: Mapping[str, Any]) -> type[Method]:
    """The method for one press."""
    traits = Traits(
        family="kv-cache",
        subjects=frozenset({"causal-lm"}),
        seams=frozenset({"prefill"}),
        evidence=frozenset({"kept", "seen", *entry["evidence"]}),
        controls=("random_eviction",),
        requires=WHOLE | {"rows of single tokens", EVERY_BLOCK},
        breaks=frozenset({"one position per row", "every token of the text", "positions of the text"}),
        simulated=entry["simulated"],
        environment=ENVIRONMENT,
    )
    names = [one["name"] for one in entry["knobs"]]
    whole = "compression_ratio" in names and "presses" not in names  # each of several has a size of its own
    members = {
        "name": f"kvpress/{entry['name']}",
        "traits": traits,
        "entry": entry,
        "neutral": {"compression_ratio": 0.0} if whole and not entry["decodes"] else None,
        "__module__": __name__,
        "__doc__": f"{entry['help']}{'; not run here: ' + entry['reason'] if entry['reason'] else ''}",
    }
    fields = [(one["name"], TYPES[one["type"]], setting(one)) for one in entry["knobs"]]
    return make_dataclass(f"{entry['class']}Method", fields, bases=(Press,), namespace=members, frozen=True)


def setting(one: Mapping[str, Any]) -> Any:
    default = tuple(one["default"]) if isinstance(one["default"], list) else one["default"]
    choices = tuple(one["choices"]) if "choices" in one else None
    return knob(default, help=one["help"], low=one.get("low"), high=one.get("high"), choices=choices)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return list(kinds().values())
