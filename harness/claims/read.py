"""`claims.yaml` into claims: safe YAML, every key known, every mistake one sentence."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.claims.model import Claim
from harness.plugin.discovery import Found
from harness.plugin.knobs import nearest
from harness.spec.errors import PluginError
from harness.spec.records import Plain

FILE = "claims.yaml"
KINDS = ("published", "trend")
ARMS = {"beats": "two or more", "at_least": "two", "difference": "two", "value": "one"}
PUBLISHED = ("model", "task", "setting")
RUN = ("command", "arms", "holds")


class Key(NamedTuple):
    kind: str
    fits: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_arms(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _is_seeds(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


def _is_shares(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(_is_number(one) and one >= 0 for one in value.values())


TEXT = Key("text", lambda value: isinstance(value, str) and bool(value.strip()))
NUMBER = Key("a number", _is_number)
SIZE = Key("a number that is not negative", lambda value: _is_number(value) and value >= 0)
KEYS = {
    **dict.fromkeys(("name", "kind", "says", "source", "metric", "cost", "holds", "command", "expected"), TEXT),
    **dict.fromkeys((*PUBLISHED, "needs", "blocked"), TEXT),
    "value": NUMBER,
    "tolerance": SIZE,
    "equal_bytes": SIZE,
    "equal": Key("a share for each name of evidence, such as {macs: 0.05}", _is_shares),
    "arms": Key("a list of settings, such as [{group_size: 6}, {group_size: 1}]", _is_arms),
    "tuned_on": Key("a list of seeds, such as [0]", _is_seeds),
}
ALWAYS = ("name", "kind", "says", "source")


def claims_of(found: Found) -> list[Claim]:
    """Claims beside a plugin; none where it has no `claims.yaml`.

    Raises:
        PluginError: the file, the claim in it, and what is wrong.
    """
    path = found.folder / FILE if found.folder else None
    return read_claims(path) if path and path.is_file() else []


def read_claims(path: Path) -> list[Claim]:
    """
    Raises:
        PluginError: the file, the claim in it, and what is wrong.
    """
    entries = _parse(path)
    if not isinstance(entries, list) or not entries:
        raise PluginError(f"{path} must hold a list of claims, each beginning with `- name:`")
    claims = [_claim(entry, f"{path}, claim {place}") for place, entry in enumerate(entries, start=1)]
    names = [claim.name for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"{path} names {name!r} twice; rename one")
    return claims


def _parse(path: Path) -> Plain:
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Refuses a key given twice, of which YAML would silently keep the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:
                    raise PluginError(f"{path}, line {node.start_mark.line + 1}: {key} is given twice; remove one")
            found: dict[Any, Any] = super().construct_mapping(node, deep)
            return found

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PluginError(f"can't read {path}: {' '.join(str(error).split())}") from error


def _claim(entry: Plain, where: str) -> Claim:
    if not isinstance(entry, dict):
        raise PluginError(f"{where} must be keys with values, got {entry!r}")
    if isinstance(entry.get("name"), str):
        where += f" ({entry['name']})"
    for key, value in entry.items():
        if key not in KEYS:
            raise PluginError(f"{where}: unknown key {key!r}{nearest(str(key), KEYS)} (keys: {', '.join(KEYS)})")
        if not KEYS[key].fits(value):
            raise PluginError(f"{where}: {key} takes {KEYS[key].kind}, got {value!r}")
    wrong = _complaint(entry)
    if wrong:
        raise PluginError(f"{where}: {wrong}")
    return Claim(**{key: _value(key, value, where) for key, value in entry.items()})


def _complaint(entry: Mapping[str, Any]) -> str | None:
    """What a claim lacks, or says too much."""
    for key, known in (("kind", KINDS), ("holds", tuple(ARMS))):
        if key in entry and entry[key] not in known:
            return f"{key} must be one of {', '.join(known)}, got {entry[key]!r}{nearest(entry[key], known)}"
    published, holds = entry.get("kind") == "published", entry.get("holds")
    needed = [*ALWAYS, *(["metric"] if "cost" not in entry else []), *(PUBLISHED if published else ())]
    if "cost" in entry and "metric" in entry:
        return "it is about a metric or about a cost; remove one"
    if "cost" in entry and holds not in (None, "beats"):
        return f"a cost can be claimed to beat another's alone; holds: {holds} takes a metric"
    if "blocked" in entry:
        needed += ["value", "tolerance"] if published else []
        if extra := [key for key in RUN if key in entry]:
            return f"a blocked claim is not run, so it takes no {extra[0]}"
    else:
        needed += [*RUN, *([] if published else ["tuned_on"])]
        needed += ["value"] if holds in ("value", "difference") else []
        needed += ["tolerance"] if holds != "beats" else []
        if "value" in entry and holds not in ("value", "difference"):
            return f"value is for holds: value or difference, not {holds}"
        if "tolerance" in entry and holds == "beats":
            return "beats takes no tolerance; write holds: at_least to allow one"
    if missing := [key for key in needed if key not in entry]:
        reason = "" if missing[0] not in RUN else " (or blocked, with the reason why it can't be run)"
        return f"{missing[0]} is missing{reason}"
    arms = len(entry.get("arms", ()))
    if holds and not {"one": arms == 1, "two": arms == 2, "two or more": arms >= 2}[ARMS[holds]]:
        return f"{holds} takes {ARMS[holds]} arms, got {arms}"
    return None


def _value(key: str, value: Any, where: str) -> Any:
    if key == "command":
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise PluginError(f"{where}: can't read the command, a quote has no partner: {value}") from error
    if isinstance(value, str):
        return " ".join(value.split())
    return tuple(value) if isinstance(value, list) else value
