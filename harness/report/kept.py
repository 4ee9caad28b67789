"""A finished comparison as plain data and back, so that a store can keep it: read again it equals what was computed."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, Union, get_args, get_origin, get_type_hints

from harness.report.model import Report
from harness.report.spread import Spread
from harness.spec.identity import digest
from harness.spec.records import Device, Measure, Metric, Plain, Setting, Source
from harness.version import __version__

SHARED = (Setting, Device, Source, Metric, Measure)  # of which many runs have the same


@dataclass(frozen=True)
class Finished:
    """What is kept of a study: its comparison, and how its timed readings are spread."""

    report: Report
    spreads: tuple[Spread, ...]


@cache
def version() -> str:
    """Of this harness and of the records it keeps: what another version wrote is not read."""
    return f"{__version__}/{digest(shape(Finished))[:12]}"


def shape(kind: Any) -> Plain:
    """The names and types of everything a record holds."""
    if is_record(kind):
        return [kind.__name__, [[name, shape(of)] for name, of in hints(kind).items()]]
    return [str(get_origin(kind) or kind), [shape(one) for one in get_args(kind)]]


def plain(found: Finished) -> Plain:
    """Lists in the order of fields; what is shared stands once in a pool, and is named by its place there."""
    pool: dict[str, int] = {}
    return {"found": Writer(pool).plain(found), "pool": list(pool)}


def read(kept: Plain) -> Finished:
    found: Finished = Reader(kept["pool"]).read(kept["found"], Finished)
    return found


class Writer:
    def __init__(self, pool: dict[str, int]) -> None:
        self.pool = pool

    def plain(self, value: Any) -> Plain:
        if isinstance(value, SHARED) or is_plain_mapping(value):
            text = json.dumps(dict(value) if isinstance(value, Mapping) else as_list(value))
            return self.pool.setdefault(text, len(self.pool))
        if is_record(type(value)):
            return [self.plain(getattr(value, name)) for name in fields_of(value)]
        if isinstance(value, Mapping):
            return {name: self.plain(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one) for one in value]
        return str(value) if isinstance(value, float) and not isfinite(value) else value


def fields_of(record: Any) -> dict[str, Any]:
    kind: Any = type(record)
    return hints(kind)


def is_plain_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(is_record(type(one)) for one in value.values())


def as_list(value: Any) -> Plain:
    return [getattr(value, name) for name in fields_of(value)]


class Reader:
    def __init__(self, pool: list[str]) -> None:
        self.pool = pool
        self.made: dict[tuple[int, Any], Any] = {}

    def read(self, kept: Plain, kind: Any) -> Any:
        if kept is None:
            return None
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):
            (kind,) = (one for one in get_args(kind) if one is not type(None))
            return self.read(kept, kind)
        if isinstance(kept, int) and (kind in SHARED or origin is Mapping):
            return self.shared(kept, kind)
        if origin is Mapping:
            return {name: self.read(one, get_args(kind)[1]) for name, one in kept.items()}
        if origin is tuple:
            return tuple(self.read(one, get_args(kind)[0]) for one in kept)
        if is_record(kind):
            return kind(*(self.read(one, of) for one, of in zip(kept, hints(kind).values(), strict=True)))
        return float(kept) if kind is float else kept

    def shared(self, place: int, kind: Any) -> Any:
        key = (place, kind)
        if key not in self.made:
            found = json.loads(self.pool[place])
            self.made[key] = found if get_origin(kind) is Mapping else kind(*found)
        return self.made[key]


def is_record(kind: Any) -> bool:
    return is_dataclass(kind) or hasattr(kind, "_fields")


@cache
def hints(kind: Any) -> dict[str, Any]:
    """The types of a record's fields, in the order its constructor takes them."""
    found = get_type_hints(kind)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields
    return {name: found[name] for name in names}
