"""How things are told on a page."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

LONG = 20_000  # characters of one text on its own page
KEPT = "\n\t"


def visible(text: Any) -> str:
    """Text a model said, with what can't be seen made visible; a browser shows the rest as it is."""
    told = str(text)
    if told.isprintable():
        return told
    return "".join(one if one.isprintable() or one in KEPT else symbol(one) for one in told)


def symbol(one: str) -> str:
    code = ord(one)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def plain(value: Any) -> str:
    """A target, a setting: text as it is, all else as JSON."""
    if value is None or value == []:
        return ""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return visible(", ".join(value))
    return visible(json.dumps(value, ensure_ascii=False))


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def ago(seconds: float) -> str:
    passed = max(0.0, time.time() - seconds)
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if passed >= size:
            return f"{passed / size:.0f} {name} ago"
    return "just now"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


def sort_key(text: str) -> str:
    """What a column is sorted by: the number that a cell shows first; after an arrow, where it leads to."""
    found = NUMBER.search(text.rpartition("→")[2].replace("−", "-"))
    return found.group().replace(",", "").lstrip("+") if found and not text.startswith("–") else ""
