"""Plugins written to a folder of the test's own: built-in ones below a package, installed ones with metadata."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

METHOD = """
from dataclasses import dataclass
from harness.api import Method, Traits, hookimpl, knob

@dataclass(frozen=True)
class Toy(Method):
    name = "{name}"
    ratio: float = knob(0.5, low=0.0, high=1.0, help="how much")
    traits = Traits(family="toys")

    def apply(self, subject, artifact=None): ...

@hookimpl
def harness_methods():
    return [Toy]
"""


class Folder:
    """A place on the import path."""

    def __init__(self, root: Path, package: str) -> None:
        self.root = root
        self.package = package

    def built_in(self, place: str, source: str) -> Path:
        """A plugin at `place` below the package, its sub-folders without `__init__.py`."""
        return self._write(f"{self.package}/{place}/plugin.py", source)

    def installed(self, name: str, module: str, source: str, version: str = "1.2") -> Path:
        """A distribution with one entry point."""
        package = module.split(".")[0]
        about = f"{package}-{version}.dist-info"
        self._write(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: {version}\n"
        )
        self._write(f"{about}/entry_points.txt", f"[harness.plugins]\n{name} = {module}\n")
        return self._write(module.replace(".", "/") + ".py", source)

    def _write(self, place: str, text: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HARNESS_PLUGINS", raising=False)
    made = Folder(tmp_path, "toys_below")
    (tmp_path / made.package).mkdir()
    (tmp_path / made.package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield made
    for name in set(sys.modules) - before:
        if name.split(".")[0].startswith("toy"):
            del sys.modules[name]


@pytest.fixture
def method():
    """Source of a plugin with one method."""
    return lambda name: METHOD.replace("{name}", name)
