"""`harness plugin check`: one plugin held to its contract, promise by promise."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.plugin.blame import sentence
from harness.plugin.contracts import Method
from harness.plugin.discovery import ENTRY_POINTS, Found, Registry, everything, file_of, unknown
from harness.plugin.knobs import Knobbed
from harness.spec.errors import HarnessError, UsageError
from harness.testing.checks import Broken, Skipped, Toy, can_be_built_from_its_settings, checks_of, words
from harness.testing.contract import kinds_of, toy_for

HEAVY = ("datasets", "lm_eval", "numpy", "pandas", "scipy", "sklearn", "torch", "transformers")
IMPORTED = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*(set(sys.argv[2:]) & set(sys.modules)))"


class Finding(NamedTuple):
    of: str  # "plugin middle_out", "method middle_out"
    promise: str
    outcome: str  # pass, FAIL, skip
    why: str = ""


def plugins_at(place: str) -> list[Found]:
    """The plugins of a project's folder, installed or not, or one by its name or its distribution's.

    Raises:
        UsageError: there is none.
    """
    if Path(place).is_dir():
        return in_folder(Path(place).resolve())
    every = everything()
    named = [one for one in every if place in (one.name, one.origin)]
    if not named and os.sep in place:
        raise UsageError(f"no folder at {place}")
    if not named:
        raise UsageError(f"{unknown('plugin', place, [one.name for one in every])}; or give a folder")
    return named


def in_folder(folder: Path) -> list[Found]:
    """What a project's pyproject.toml declares, importable from where it lies; or the plugin whose own folder it is."""
    own = [one for one in everything() if one.folder and one.folder.resolve() == folder]
    if own:
        return own
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text()).get("project", {}) if file.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}") from error
    points = project.get("entry-points", {}).get(ENTRY_POINTS, {})
    if not points:
        raise UsageError(
            f'{folder} is no plugin: {file.name} there must have [project.entry-points."{ENTRY_POINTS}"] '
            f'with name = "module", as `harness plugin new` writes it'
        )
    for root in (folder, folder / "src"):
        if root.is_dir():
            sys.path.insert(0, str(root))
    version = str(project.get("version", "unknown"))
    return [Found(name, str(folder), version, module, file_of(module)) for name, module in points.items()]


def examine(mine: list[Found]) -> Iterator[Finding]:
    """Each promise of each plugin in `mine`, kept or not."""
    registry = Registry()
    for one in everything():
        if one.name not in {other.name for other in mine}:
            registry.add(one)
    for one in mine:
        registry.add(one)
    for one in mine:
        failed = [failure.reason for failure in registry.failures if failure.found is one]
        waits = [missing.reason for missing in registry.waiting if missing.found is one]
        outcome = "FAIL" if failed else "skip" if waits else "pass"
        yield Finding(f"plugin {one.name}", "loads", outcome, "; ".join([*failed, *waits]))
        if not failed:
            yield lightness(one)
            yield from promises(one, registry)


def lightness(found: Found) -> Finding:
    """Whether finding and listing it stays quick: heavy imports belong inside functions."""
    command = [sys.executable, "-c", IMPORTED, found.module, *HEAVY]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    heavy = ", ".join(sorted(done.stdout.split()))
    why = f"importing it imports {heavy}; import them inside functions, or in algorithm.py" if heavy else ""
    return Finding(f"plugin {found.name}", "imports nothing heavy", "FAIL" if heavy else "pass", why)


def promises(found: Found, registry: Registry) -> Iterator[Finding]:
    @cache
    def toy_of(kind: str) -> Toy:
        return registry.subject(kind).toy()  # type: ignore[no-any-return]

    for kind, offered in offers(found, registry):
        name = f"{kind} {offered.kind if kind == 'subject' else offered.name}"
        plugin = offered.build({}) if issubclass(offered, Knobbed) else offered if kind == "subject" else offered()
        for check in checks_of(plugin):
            outcome, why = "pass", ""
            home = plugin.traits.environment if isinstance(plugin, Method) else ""
            if home and check is not can_be_built_from_its_settings:
                yield Finding(name, words(check), "skip", f"it runs in environment {home}, not here")
                continue
            try:
                check(plugin, toy_for(plugin, kinds_of(plugin, registry), toy_of))
            except Skipped as skipped:
                outcome, why = "skip", str(skipped)
            except (Broken, HarnessError) as broken:
                outcome, why = "FAIL", str(broken)
            except (Exception, SystemExit) as error:
                outcome, why = "FAIL", sentence(error, found.folder or found.path)
            yield Finding(name, words(check), outcome, why)


def offers(found: Found, registry: Registry) -> list[tuple[str, Any]]:
    tables: dict[str, dict[str, Any]] = {
        "subject": dict(registry.subjects),
        "model": dict(registry.models),
        "method": dict(registry.methods),
        "task": dict(registry.tasks),
        "meter": dict(registry.meters),
    }
    return [
        (kind, offered)
        for kind, table in tables.items()
        for offered in table.values()
        if registry.origin_of(offered) is found
    ]
