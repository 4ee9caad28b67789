"""Names and presets into plain settings, through Hydra: one compose for each method, task, model and device."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, make_dataclass
from functools import cache, reduce
from importlib.util import find_spec
from operator import or_
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from harness.config import suggest
from harness.config.words import Processor, Protocol
from harness.plugin.discovery import Registry
from harness.plugin.knobs import Knobbed
from harness.spec.errors import HarnessError, UsageError

CONF = "harness_conf"
PLUGINS = ("method", "task", "model")
OWN: dict[str, type[Knobbed]] = {"device": Processor, "measure": Protocol}  # presets over the core's own knobs
PACKAGE = ", under a first line `# @package method.<name>`"  # where its knobs lie
BASE = "base"  # the name those presets know them by


@dataclass(frozen=True)
class Part:
    """One choice of a command: what it is called there, whose knobs it sets, and its values before the command's."""

    label: str
    owner: type[Knobbed]
    values: dict[str, Any]


class Composer:
    """Hydra, with the knobs of every plugin as structured nodes and presets over them."""

    def __init__(self, registry: Registry, config_dirs: Iterable[Path] = ()) -> None:
        self._registry = registry
        self._folders = [_shipped(), *map(_folder, config_dirs), *_third_party(registry)]
        self._owners = _register(registry)
        self._parts: dict[tuple[str, str], Part] = {}

    def defaults(self, chosen: dict[str, str]) -> dict[str, str]:
        """Names for every group: those chosen, else what `conf/config.yaml` says."""
        for group, name in chosen.items():
            self.check(group, name)
        config = self._compose("config", [f"{group}={name}" for group, name in chosen.items()], "conf/config.yaml")
        names = {group: str(config.hydra.runtime.choices[group]) for group in OWN}
        for group, name in names.items():
            self._parts[group, name] = self._part(group, name, config)
        return {**{str(key): value for key, value in config.items() if isinstance(value, str)}, **names}

    def part(self, group: str, name: str) -> Part:
        """One choice composed.

        Raises:
            UsageError: nothing of that name, or a preset that can't be composed.
        """
        if (group, name) not in self._parts:
            self.check(group, name)
            folder, _, last = f"{group}/{name}".rpartition("/")
            config = self._compose(None, [f"+{folder}={last}"], f"{group}={name}")
            self._parts[group, name] = self._part(group, name, config)
        return self._parts[group, name]

    def names(self, group: str) -> list[str]:
        """Plugins and presets of a group."""
        return sorted({*self._plugins(group), *self._presets(group)})

    def check(self, group: str, name: str) -> None:
        """
        Raises:
            UsageError: nothing of that name, or two things.
        """
        names = self.names(group)
        if name not in names and group in OWN:
            raise suggest.unknown(group, name, names)
        if name not in names:
            raise self._registry.unknown(group, name, names)
        if name in self._plugins(group) and name in self._presets(group):
            raise UsageError(f"{self._presets(group)[name]} has the name of a plugin; rename the preset")

    def _plugins(self, group: str) -> list[str]:
        return self._registry.names(group) if group in PLUGINS else []

    def _presets(self, group: str) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for root in (folder / group for folder in self._folders):
            for path in sorted(root.rglob("*.yaml")):
                found.setdefault(path.relative_to(root).with_suffix("").as_posix(), path)
        return found

    def _compose(self, config_name: str | None, overrides: list[str], what: str) -> DictConfig:
        main, *others = self._folders
        path = ",".join("'file://{}'".format(str(folder).replace("'", "\\'")) for folder in others)
        with self._translated(what), hydra.initialize_config_dir(str(main), "harness", version_base="1.3"):
            return hydra.compose(config_name, [*overrides, f"hydra.searchpath=[{path}]"], return_hydra_config=True)

    def _part(self, group: str, name: str, config: DictConfig) -> Part:
        node = config[group]
        while (owner := self._owner(node)) is None:  # a method's node lies as deep as its name has parts
            if not isinstance(node, DictConfig) or len(node) != 1:
                raise UsageError(
                    f"preset {self._presets(group)[name]} does not say what it is a preset of; "
                    f"begin it with `defaults: [<name>]`{PACKAGE if group == 'method' else ''}"
                )
            (node,) = node.values()
        with self._translated(f"{group}={name}"):
            values: Any = OmegaConf.to_container(node, resolve=True)
        return Part(name, owner, values)

    def _owner(self, node: Any) -> type[Knobbed] | None:
        kind = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
        return self._owners.get(kind) if kind else None

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise UsageError(f"can't compose {what}: {self._sentence(str(error))}") from error

    def _sentence(self, message: str) -> str:
        if missing := re.search(r"Could not (?:load|find) '(\w+)/([^']+)'", message):
            group, name = missing.groups()
            return str(self._registry.unknown(group, name, self.names(group))) if group in PLUGINS else message
        if wrong := re.search(r"Key '(\w+)' not in '([^']+)'", message):
            owners = {owner.name: owner for owner in self._owners.values() if owner.name == wrong[2]}
            return str(suggest.no_setting(wrong[1], owners)) if owners else message
        lines = [line.strip() for line in message.splitlines()]
        return " ".join(line for line in lines if not line.startswith("object_type"))


def _shipped() -> Path:
    spec = find_spec(CONF)
    if spec is None or not spec.submodule_search_locations:
        raise HarnessError(f"{CONF} is not installed; install the harness again: pip install -e .")
    return Path(spec.submodule_search_locations[0])


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(f"no folder of presets at {path}")
    return path.resolve()


def _third_party(registry: Registry) -> list[Path]:
    return [found.presets for found in registry.plugins if found.presets]


def _register(registry: Registry) -> dict[type, type[Knobbed]]:
    """Stores a node for everything with knobs; returns whose node each is."""
    offered: list[tuple[str, str, type[Knobbed]]] = [(group, BASE, owner) for group, owner in OWN.items()]
    offered += [("method", name, owner) for name, owner in registry.methods.items()]
    offered += [("task", name, owner) for name, owner in registry.tasks.items()]
    offered += [("model", name, owner) for name, owner in registry.models.items()]
    store = ConfigStore.instance()
    for group in (*PLUGINS, *OWN):
        store.repo.pop(group, None)
    owners: dict[type, type[Knobbed]] = {}
    for group, name, owner in offered:
        node = make_node(owner)  # type: ignore[arg-type]
        owners[node] = owner
        folder, _, last = f"{group}/{name}".rpartition("/")
        package = f"method.{name.replace('/', '.')}" if group == "method" else group
        store.store(name=last, node=node, group=folder, package=package)
    return owners


@cache
def make_node(owner: type[Any]) -> type:
    """A structured config made from knobs."""
    defaults = owner().settings()
    return make_dataclass(
        owner.name, [(one.name, _annotation(one.type), _default(defaults[one.name])) for one in owner.knobs()]
    )


def _default(value: Any) -> Any:
    return field(default_factory=lambda: value)


def _annotation(kind: Any) -> Any:
    """The type OmegaConf checks a preset's value with; Any where only the knob itself can."""
    if isinstance(kind, UnionType):
        members = [_annotation(member) for member in get_args(kind)]
        mixed = any(get_origin(member) for member in members) and len(members) > 2
        return Any if Any in members or mixed else reduce(or_, members)
    if get_origin(kind) is tuple:
        return list[_annotation(get_args(kind)[0])]  # type: ignore[misc]
    return kind if kind in (bool, int, float, str, NoneType) else Any
