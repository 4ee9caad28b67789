"""Finds plugins by name without importing them, then loads the light ones, a guard around each."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pluggy

from harness.plugin import hookspecs
from harness.plugin.checks import check
from harness.plugin.contracts import Meter, Method, Model, Subject, Task
from harness.plugin.knobs import nearest
from harness.spec.errors import MissingEnvironment, PluginError, UsageError
from harness.spec.identity import code_digest, file_digest
from harness.version import __version__

ENTRY_POINTS = "harness.plugins"
BUILT_IN = ("harness_plugins", "harness.meters")
ONLY = "HARNESS_PLUGINS"
LONGEST_REASON = 300
EVENTS = ("study_started", "sample_finished", "run_finished", "study_finished")


@dataclass(frozen=True)
class Found:
    """A plugin by name, not imported yet."""

    name: str
    origin: str  # "built-in", else the distribution that carries it
    version: str
    module: str
    path: Path | None  # the module's file, where it can be told without importing
    family: str = ""  # the folders above a built-in one; for the reader's eye only

    @property
    def core(self) -> bool:
        """Whether the core carries it itself, and can't do without."""
        return self.module.startswith("harness.")

    @property
    def folder(self) -> Path | None:
        """What belongs to it; None where it is one file beside strangers."""
        if self.path is None or ("." not in self.module and self.path.name != "__init__.py"):
            return None
        return self.path.parent

    @property
    def presets(self) -> Path | None:
        """Its own folder of presets, where it ships one."""
        folder = self.folder / "conf" if self.folder else None
        return folder if folder and folder.is_dir() else None


class Listener(NamedTuple):
    """A plugin's function for one event."""

    found: Found
    function: Callable[..., object]
    takes: tuple[str, ...]  # the event by name, or nothing

    def tell(self, **facts: Any) -> None:
        self.function(*(facts[name] for name in self.takes))


@dataclass(frozen=True)
class Failure:
    """A plugin that can't be used, and why, in one line."""

    found: Found
    reason: str


class Registry:
    """What the loaded plugins offer. A plugin counts whole or not at all."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[Found] = []
        self.failures: list[Failure] = []
        self.waiting: list[Failure] = []  # for an environment that is not here
        self.methods: dict[str, type[Method]] = {}
        self.tasks: dict[str, type[Task]] = {}
        self.models: dict[str, type[Model]] = {}
        self.subjects: dict[str, type[Subject]] = {}
        self.meters: dict[str, type[Meter]] = {}
        self._tables: dict[str, dict[str, Any]] = {
            "method": self.methods,
            "task": self.tasks,
            "model": self.models,
            "subject": self.subjects,
            "meter": self.meters,
        }
        self.listeners: dict[str, list[Listener]] = {event: [] for event in EVENTS}
        self._origins: dict[type, Found] = {}

    def method(self, name: str) -> type[Method]:
        return self._pick("method", name)  # type: ignore[no-any-return]

    def task(self, name: str) -> type[Task]:
        return self._pick("task", name)  # type: ignore[no-any-return]

    def model(self, name: str) -> type[Model]:
        return self._pick("model", name)  # type: ignore[no-any-return]

    def subject(self, kind: str) -> type[Subject]:
        return self._pick("subject", kind)  # type: ignore[no-any-return]

    def meter(self, name: str) -> type[Meter]:
        return self._pick("meter", name)  # type: ignore[no-any-return]

    def origin_of(self, offered: type) -> Found:
        return self._origins[offered]

    def code_of(self, offered: type) -> str:
        """Digest of the code of the plugin that offers it; part of a run's identity."""
        return _code(self.origin_of(offered))

    def names(self, kind: str) -> list[str]:
        return sorted(self._tables[kind])

    def unknown(self, kind: str, name: str, names: Iterable[str]) -> UsageError:
        """The error for a name that nothing offers: why its plugin failed, else what is near, and all there is."""
        for failure in [*self.waiting, *self.failures]:
            if failure.found.name.replace("-", "_") in (name, name.split("/")[0]):
                why = ":" if failure in self.waiting else ", its plugin failed to load:"
                return UsageError(f"{kind} {name!r} can't be used{why} {failure.reason}")
        failed = ", ".join(failure.found.name for failure in self.failures)
        tail = f" (failed to load: {failed}; `harness ls plugins` says why)" if failed else ""
        return UsageError(unknown(kind, name, names) + tail)

    def add(self, found: Found) -> None:
        """Loads one plugin, or records why it can't be used."""
        try:
            self._add(found)
        except MissingEnvironment as error:
            self.waiting.append(Failure(found, str(error)))
        except (Exception, SystemExit) as error:
            self.failures.append(Failure(found, _reason(error, found)))

    def _add(self, found: Found) -> None:
        module = importlib.import_module(found.module)
        if self.manager.is_registered(module):
            raise PluginError(f"{found.module} is already loaded under another name")
        try:
            self.manager.register(module, found.module)
            self._check_hooks(module)
            offers = [(kind, offered) for kind in self._tables for offered in self._offers(kind, module)]
            listeners = {event: marked for event in EVENTS if (marked := self._marked(f"harness_{event}", module))}
            self._check(offers, listens=bool(listeners))
        except BaseException:
            self.manager.unregister(module)
            raise
        for kind, offered in offers:
            self._tables[kind][_name(kind, offered)] = offered
            self._origins[offered] = found
        for event, marked in listeners.items():
            self.listeners[event].append(Listener(found, marked.function, marked.argnames))
        self.plugins.append(found)

    def _check_hooks(self, module: ModuleType) -> None:
        hooks = [*(f"harness_{kind}s" for kind in self._tables), *(f"harness_{event}" for event in EVENTS)]
        for caller in self.manager.get_hookcallers(module) or []:
            if caller.name not in hooks:
                raise PluginError(f"there is no hook {caller.name}{nearest(caller.name, hooks)}")
            if any(one.wrapper or one.hookwrapper for one in caller.get_hookimpls() if one.plugin is module):
                raise PluginError(f"{caller.name} can't be a wrapper; write a plain function")

    def _offers(self, kind: str, module: ModuleType) -> Sequence[Any]:
        marked = self._marked(f"harness_{kind}s", module)
        if marked is None:
            return []
        offered = marked.function()
        if not isinstance(offered, list | tuple):
            raise PluginError(f"harness_{kind}s must return a list of classes, it returned {offered!r}")
        return offered

    def _marked(self, hook: str, module: ModuleType) -> pluggy.HookImpl | None:
        marked = [one for one in getattr(self.manager.hook, hook).get_hookimpls() if one.plugin is module]
        if not marked and hasattr(module, hook):
            raise PluginError(f"{hook} is not marked @hookimpl")
        return marked[0] if marked else None

    def _check(self, offers: Sequence[tuple[str, Any]], listens: bool) -> None:
        if not offers and not listens:
            raise PluginError("it offers nothing: no hook of it returns a class")
        seen: set[tuple[str, str]] = set()
        for kind, offered in offers:
            check(kind, offered)
            name = _name(kind, offered)
            if name in self._tables[kind]:
                first = self.origin_of(self._tables[kind][name])
                raise PluginError(f"{kind} {name!r} is already offered by {first.name} ({first.module}); rename one")
            if (kind, name) in seen:
                raise PluginError(f"{kind} {name!r} is offered twice")
            seen.add((kind, name))

    def says(self, offered: type) -> str:
        """The first line of what it, else its plugin, says of itself."""
        own = offered.__doc__ or ""
        if own.startswith(f"{offered.__name__}("):  # written by dataclass
            own = ""
        text = own or sys.modules[self.origin_of(offered).module].__doc__ or ""
        return text.strip().partition("\n")[0]

    def _pick(self, kind: str, name: str) -> Any:
        table = self._tables[kind]
        if name not in table:
            raise self.unknown(kind, name, table)
        return table[name]


def load(packages: Iterable[str] = BUILT_IN) -> Registry:
    """Imports every plugin found; one that fails is recorded with its reason and nothing else breaks."""
    registry = Registry()
    for one in found(packages):
        registry.add(one)
    return registry


def found(packages: Iterable[str] = BUILT_IN) -> list[Found]:
    """Plugins below `packages` and in the entry points of installed distributions, none of them imported.

    `HARNESS_PLUGINS=a,b` keeps those by name, `-a` leaves one out; the core's own meters always stay.

    Raises:
        UsageError: `HARNESS_PLUGINS` names a plugin that is not there, or the core's own.
    """
    every = everything(packages)
    wanted, unwanted = _asked(every)
    return [one for one in every if one.core or ((not wanted or one.name in wanted) and one.name not in unwanted)]


def everything(packages: Iterable[str] = BUILT_IN) -> list[Found]:
    """The same, whatever `HARNESS_PLUGINS` says."""
    return [one for package in packages for one in _below(package)] + _installed()


def _asked(every: Iterable[Found]) -> tuple[set[str], set[str]]:
    """Names to keep, if any are given, and names to leave out."""
    words = [word.strip() for word in os.environ.get(ONLY, "").split(",") if word.strip()]
    names = {one.name for one in every}
    for word in words:
        if (name := word.removeprefix("-")) not in names:
            raise UsageError(f"{ONLY}: {unknown('plugin', name, names)}")
        if word.startswith("-") and all(one.core for one in every if one.name == name):
            raise UsageError(f"{ONLY}: {name} is the core's own and always stays; remove {word}")
    return {word for word in words if word[0] != "-"}, {word[1:] for word in words if word[0] == "-"}


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """`unknown method 'xvk'; did you mean xkv? Methods: identity, xkv`."""
    known = sorted(names)
    return f"unknown {kind} {name!r}{nearest(name, known) or '.'} {kind.capitalize()}s: {', '.join(known) or 'none'}"


def _below(package: str) -> list[Found]:
    places = [(root, path) for root in _folders(package) for path in sorted(root.rglob("plugin.py"))]
    return [_built_in(package, root, path) for root, path in places if "tests" not in path.relative_to(root).parts]


def _built_in(package: str, root: Path, path: Path) -> Found:
    *folders, name = [*package.split("."), *path.relative_to(root).parent.parts]
    family = "/".join(path.relative_to(root).parts[:-2])
    return Found(name, "built-in", __version__, ".".join([*folders, name, "plugin"]), path, family)


def _folders(package: str) -> list[Path]:
    top, *inner = package.split(".")
    spec = _spec(top)
    places = (spec.submodule_search_locations or []) if spec else []
    return [folder for place in places if (folder := Path(place).joinpath(*inner)).is_dir()]


def _installed() -> list[Found]:
    points = [(point.dist.name if point.dist else "", point) for point in entry_points(group=ENTRY_POINTS)]
    return [
        Found(point.name, origin, point.dist.version if point.dist else "", point.value, file_of(point.value))
        for origin, point in sorted(points, key=lambda pair: (pair[0], pair[1].name))
    ]


def file_of(module: str) -> Path | None:
    """The file of a module; asking `find_spec` for a dotted name would import its parents."""
    parent, _, name = module.rpartition(".")
    if not parent:
        spec = _spec(name)
        return Path(spec.origin) if spec and spec.origin and spec.has_location else None
    for folder in _folders(parent):
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.is_file():
                return path
    return None


def _spec(top: str) -> Any:
    try:
        return find_spec(top)
    except ValueError:  # a module without a spec, such as a test's stand-in
        return None


def _name(kind: str, offered: Any) -> str:
    return str(offered.kind if kind == "subject" else offered.name)


@cache
def _code(found: Found) -> str:
    if found.folder is not None:
        return code_digest(found.folder)
    if found.path is None:
        raise PluginError(f"can't find the code of plugin {found.name} ({found.module})")
    return file_digest(found.path)


def _reason(error: BaseException, found: Found) -> str:
    """One line: what happened, and where in the plugin."""
    text = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        text = error.msg
    if not isinstance(error, PluginError):
        text = f"{type(error).__name__}: {text}"
    if len(text) > LONGEST_REASON:
        text = text[: LONGEST_REASON - 1] + "…"
    return f"{text} ({_place(error, found)})"


def _place(error: BaseException, found: Found) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    inside = found.folder or found.path or Path(found.module)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(inside):
            return f"{frame.filename}:{frame.lineno}"
    return str(found.path or found.module)
