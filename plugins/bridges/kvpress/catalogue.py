"""What kvpress offers, as plain data. Run in its environment when that is made: prints JSON, loads no model."""

from __future__ import annotations

import inspect
import json
import sys
import types
import typing
from typing import Any

DOWNLOADS = {
    "DuoAttentionPress": "it downloads attention patterns of the model, or a data set to compute them from",
    "ExpectedAttentionStatsPress": "it downloads statistics of the model's queries",
    "FastKVzipPress": "it downloads gates trained for the model",
    "KVzapPress": "it downloads a surrogate trained for the model",
    "LUKVPress": "it downloads a budget curve computed for the model",
    "QFilterPress": "it downloads filters trained for the model",
    "RestoreKVPress": "it downloads an adapter trained for the model",
}
NO_METHODS = ("BasePress", "ScorerPress")  # bases of others
NAMES = {"CriticalAdaKVPress": "critical_adakv", "NonCausalAttnPress": "non_causal_attention"}  # else the module's
MASKS = ("AdaKVPress", "CriticalAdaKVPress", "DMSPress", "KVgradPress", "KVzipPress")  # hide keys, and free nothing
SIMULATED = {**dict.fromkeys(MASKS, "masked"), "ThinKPress": "zeroed"}  # and what proves that they acted
WHILE_DECODING = ("CAMPress", "CompressionRatioDecodingPress", "DecodingPress", "PrefillDecodingPress")
INNER = ("press", "base_press", "prefilling_press")  # parameters that take another press
INSIDE = {  # which one, where nothing is said: as in kvpress's own evaluations
    "BlockPress": "keydiff",
    "CAMPress": "knorm",
    "CompressionRatioDecodingPress": "knorm",
    "DMSPress": "knorm",
    "DecodingPress": "knorm",
    "KeyRerotationPress": "knorm",
    "PrefillDecodingPress": "snapkv",
}
ON = {  # kvpress's own defaults that compress nothing
    "compression_ratio": 0.5,
    "key_channel_compression_ratio": 0.5,
    "lazy_threshold": 0.9,
}
TYPES = {int: "int", float: "float", bool: "bool", str: "str"}
EXTRA: dict[str, list[dict[str, Any]]] = {
    "FinchPress": [
        {"name": "window", "type": "int", "default": 64, "low": 1, "help": "last tokens, taken for the question"},
    ],
    "PrefillDecodingPress": [
        {"name": "base_press", "type": "press", "default": "knorm", "help": "the press while decoding"},
        {"name": "compression_interval", "type": "int", "default": 512, "low": 1, "help": "tokens between two of them"},
        {"name": "target_size", "type": "int", "default": 2048, "low": 1, "help": "rows that each leaves"},
    ],
}
SIZES = ("compression_ratios", "target_compression_ratio", "target_size", "threshold")  # in place of a ratio
RATIO = {
    "name": "compression_ratio",
    "type": "float",
    "default": 0.5,
    "low": 0.0,
    "high": 0.99,
    "help": "fraction removed, set on the press inside",
}
SETTINGS = {"name": "inner", "type": "[str]", "default": [], "help": "settings of presses inside: [window_size:32]"}


def catalogue(kvpress: Any) -> list[dict[str, Any]]:
    """An entry for each press that kvpress exports."""
    presses = {name: getattr(kvpress, name) for name in sorted(kvpress.__all__) if name.endswith("Press")}
    found = [entry(one) for name, one in presses.items() if name not in NO_METHODS]
    inner = sorted(
        one["name"]
        for one in found
        if issubclass(presses[one["class"]], kvpress.ScorerPress)
        and one["reason"] is None
        and not any(knob["type"] in ("press", "[press]") for knob in one["knobs"])
    )
    for one in found:
        for knob in one["knobs"]:
            if knob["type"] in ("press", "[press]"):
                knob["choices"] = [*inner, "think"] if knob["type"] == "[press]" else inner
                knob["type"] = knob["type"].replace("press", "str")
    return sorted(found, key=lambda one: str(one["name"]))


def entry(press: type) -> dict[str, Any]:
    stem = press.__module__.rpartition(".")[2].removesuffix("_press")
    told = documented(press)
    return {
        "name": NAMES.get(press.__name__, stem),
        "class": press.__name__,
        "help": summary(press),
        "reason": DOWNLOADS.get(press.__name__),
        "simulated": press.__name__ in SIMULATED,
        "decodes": press.__name__ in WHILE_DECODING,
        "evidence": evidence(press.__name__),
        "knobs": [] if press.__name__ in DOWNLOADS else knobs(press, told),
    }


def evidence(name: str) -> list[str]:
    found = [SIMULATED[name]] if name in SIMULATED else []
    return [*found, "evicted"] if name in WHILE_DECODING else found


def knobs(press: type, told: dict[str, str]) -> list[dict[str, Any]]:
    found, hints = [], typing.get_type_hints(press.__init__)  # type: ignore[misc]
    for name, one in inspect.signature(press).parameters.items():
        if name.startswith("_") or name == "decoding_press":
            continue
        if name in INNER:
            default = INSIDE.get(press.__name__, "snapkv")
            found.append({"name": name, "type": "press", "default": default, "help": "the press inside"})
        elif name == "presses":
            help = "presses that follow each other"
            found.append({"name": name, "type": "[press]", "default": ["snapkv", "think"], "help": help})
        else:
            found.append(knob(name, hints[name], one.default, told.get(name, "")))
    names = [one["name"] for one in found]
    wraps = "presses" in names or any(name in INNER for name in names)
    if wraps and not {*SIZES, "compression_ratio"} & set(names):
        found.insert(0, RATIO)
    found += EXTRA.get(press.__name__, [])
    return [*found, SETTINGS] if wraps else found


def knob(name: str, hint: Any, default: Any, help: str) -> dict[str, Any]:
    kind, choices = kind_of(hint)
    if default is inspect.Parameter.empty:
        default = [] if kind.startswith("[") else None
    if default is None and not kind.endswith("?"):
        kind += "?"
    found: dict[str, Any] = {"name": name, "type": kind, "default": ON.get(name, default), "help": help or name}
    if kind == "float" and isinstance(default, int):
        found["default"] = float(found["default"])
    if choices:
        found["choices"] = choices
    if name.endswith("compression_ratio"):
        found |= {"low": 0.0, "high": 0.99}
    return found


def kind_of(hint: Any) -> tuple[str, list[Any] | None]:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return TYPES[type(inside[0])], list(inside)
    if origin in (typing.Union, types.UnionType):
        (kind,) = [one for one in inside if one is not type(None)]
        return TYPES[kind] + "?", None
    if origin is list:
        return f"[{TYPES[inside[0]]}]", None
    return TYPES[hint], None


def summary(press: type) -> str:
    """Its docstring's first line; where that cites no paper, with the number of the one it is based on."""
    text = inspect.cleandoc(press.__doc__ or press.__name__)
    paper = next((word.strip("().,") for word in text.split() if "arxiv.org" in word), "")
    number = paper.rpartition("/")[2]
    first = text.splitlines()[0].rstrip(".,")
    return first + (f" (arXiv:{number})" if number and number not in first else "")


def documented(press: type) -> dict[str, str]:
    """The first sentence about each parameter, from docstrings in numpy's style."""
    found: dict[str, str] = {}
    for one in reversed(press.__mro__):
        lines = inspect.cleandoc(one.__doc__ or "").splitlines()
        for place, line in enumerate(lines[:-1]):
            name, colon, _ = line.partition(" : ")
            if colon and name.isidentifier() and lines[place + 1].startswith("    "):
                found[name] = lines[place + 1].strip().split(". ")[0].rstrip(".")
    return found


def main() -> None:
    import kvpress

    json.dump(catalogue(kvpress), sys.stdout)


if __name__ == "__main__":
    main()
