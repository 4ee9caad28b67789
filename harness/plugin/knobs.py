"""Knobs: the settings of a plugin, declared once, frozen, bounded and explained."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, ClassVar, Self

from harness.spec.errors import HarnessError, KnobError


def knob(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    hashed: bool = True,
    prepared: bool = True,
) -> Any:
    """One setting.

    `low` and `high` are inclusive bounds (of each member, where the value is a list). With
    `hashed=False` the setting is no part of a run's identity: it may change how much is measured,
    never what one sample gives. With `prepared=False` what a method prepares does not depend on it:
    runs that differ in nothing else share one.
    """
    about = {"help": help, "low": low, "high": high, "choices": choices, "hashed": hashed, "prepared": prepared}
    return dataclasses.field(default=default, metadata={"knob": about})


@dataclass(frozen=True)
class Knob:
    """What is known of one setting without an object that has it."""

    name: str
    type: Any
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: tuple[Any, ...] | None
    hashed: bool
    prepared: bool = True

    def accept(self, value: Any, owner: str) -> Any:
        """`value` as this knob's type.

        Raises:
            KnobError: wrong type, out of bounds, or not among the choices.
        """
        accepted = self._convert(value, owner)
        members = accepted if isinstance(accepted, tuple) else (accepted,)
        for member in members:
            self._bound(member, owner)
        return accepted

    def _convert(self, value: Any, owner: str) -> Any:
        options = typing.get_args(self.type) if isinstance(self.type, types.UnionType) else (self.type,)
        for option in options:
            if option is type(None):
                if value is None:
                    return None
            elif typing.get_origin(option) is tuple:
                if isinstance(value, str):
                    value = (value,)
                if isinstance(value, list | tuple):
                    inner = dataclasses.replace(self, type=typing.get_args(option)[0])
                    return tuple(inner._convert(member, owner) for member in value)
            elif option is float:
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return float(value)
            elif option is int:
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
            elif isinstance(value, option):
                return value
        raise KnobError(f"{owner}.{self.name} takes {self.kind}, got {value!r}{self._remedy}")

    def _bound(self, value: Any, owner: str) -> None:
        if value is None:
            return
        if self.choices is not None and value not in self.choices:
            raise KnobError(
                f"{owner}.{self.name} must be one of {', '.join(map(str, self.choices))}, "
                f"got {value!r}{nearest(str(value), map(str, self.choices))}"
            )
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise KnobError(f"{owner}.{self.name} must be finite, got {value}{self._remedy}")
            if self.low is not None and value < self.low:
                raise KnobError(f"{owner}.{self.name} must be at least {self.low:g}, got {value}{self._remedy}")
            if self.high is not None and value > self.high:
                raise KnobError(f"{owner}.{self.name} must be at most {self.high:g}, got {value}{self._remedy}")

    @property
    def kind(self) -> str:
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
        options = typing.get_args(self.type) if isinstance(self.type, types.UnionType) else (self.type,)
        return " or ".join(names.get(option, "a list") for option in options)

    @property
    def _remedy(self) -> str:
        default = "null" if self.default is None else self.default
        return f"; remove it to use {default}"


def nearest(given: str, names: typing.Iterable[str]) -> str:
    """`; did you mean X?` where a name is near, else nothing."""
    close = get_close_matches(given, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


@dataclass(frozen=True)
class Knobbed:
    """Base of methods, tasks and models: a frozen dataclass whose fields are knobs."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for one in self.knobs():
            object.__setattr__(self, one.name, one.accept(getattr(self, one.name), self.name))

    @classmethod
    @cache
    def knobs(cls) -> tuple[Knob, ...]:
        hints = typing.get_type_hints(cls)
        return tuple(
            Knob(name=field.name, type=hints[field.name], default=field.default, **field.metadata["knob"])
            for field in dataclasses.fields(cls)
        )

    @classmethod
    def build(cls, knobs: dict[str, Any]) -> Self:
        """An object from plain settings.

        Raises:
            KnobError: a name no knob has, or a value its knob refuses.
        """
        known = [one.name for one in cls.knobs()]
        for name in knobs:
            if name not in known:
                options = ", ".join(known) if known else "none"
                raise KnobError(f"{cls.name} has no setting {name!r}{nearest(name, known)} (it has: {options})")
        try:
            return cls(**knobs)
        except HarnessError:
            raise
        except Exception as error:
            raise KnobError(f"{cls.name} refuses its settings: {type(error).__name__}: {error}") from error

    def settings(self, *, hashed_only: bool = False) -> dict[str, Any]:
        """Knob values as plain data."""
        values = {one.name: getattr(self, one.name) for one in self.knobs() if one.hashed or not hashed_only}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
