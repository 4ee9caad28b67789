"""`harness plugin new`: a package from the templates beside this file, with its names filled in."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import NamedTuple

from harness.plugin.discovery import everything
from harness.plugin.knobs import nearest
from harness.spec.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
COMMON = "common"
SUFFIX = ".template"
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


class Made(NamedTuple):
    files: list[Path]
    next: list[str]  # commands to go on with


def families() -> list[str]:
    return sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir() and path.name != COMMON)


def write(name: str, family: str, parent: Path) -> Made:
    """Writes a package into a new folder below `parent`.

    Raises:
        UsageError: a name that can't be, or is taken; no such family.
    """
    if family not in families():
        raise UsageError(f"no family {family!r}{nearest(family, families())} (families: {', '.join(families())})")
    names = named(name)
    folder = parent / names["distribution"]
    if folder.exists():
        raise UsageError(f"{folder} exists; choose another name, or remove it")
    files = []
    for template in sorted(path for place in (COMMON, family) for path in (TEMPLATES / place).rglob(f"*{SUFFIX}")):
        place = template.relative_to(TEMPLATES).parts[1:]
        path = folder.joinpath(*(filled(part, names) for part in place)).with_suffix("")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(filled(template.read_text(), names))
        files.append(path)
    after = (TEMPLATES / family / "next").read_text()
    return Made(files, filled(after, names).splitlines())


def filled(text: str, names: dict[str, str]) -> str:
    return Template(text).substitute(names)


def named(name: str) -> dict[str, str]:
    """`middle-out`: middle-out the distribution, middle_out the module and plugin, MiddleOut the class."""
    if not NAME.fullmatch(name):
        raise UsageError(f"a name is lower-case words joined by - or _, such as middle-out; got {name!r}")
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise UsageError(f"{name!r} is a word of Python; choose another name")
    if module in (one.name for one in everything()):
        raise UsageError(f"there is a plugin {module} already; `harness plugin ls` shows it; choose another name")
    if find_spec(module) is not None:
        raise UsageError(f"there is a Python module {module} already; choose another name")
    words = module.split("_")
    return {
        "distribution": name.replace("_", "-"),
        "module": module,
        "Class": "".join(word.capitalize() for word in words),
        "Title": " ".join(words).capitalize(),
    }
