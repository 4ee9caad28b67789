"""A plugin that raises in a hook takes nothing else with it; so does one for each hook there is, all at once."""

import inspect
import os

import pytest

from harness.plugin import hookspecs

HOOKS = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("harness_")]
RAISES = """
from harness.api import hookimpl

@hookimpl
def {hook}():
    raise {error}
"""
ERRORS = ("ValueError('planted')", "SystemExit(7)", "RecursionError", "UnicodeDecodeError('utf-8', b'x', 0, 1, 'odd')")


@pytest.fixture
def spoilt(lab, monkeypatch):
    """A plugin for each hook, which raises in it."""
    site = lab.root / "site"
    names = {hook: f"toy_{hook}" for hook in HOOKS}
    for place, (hook, name) in enumerate(names.items()):
        about = site / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[harness.plugins]\n{name} = {name}\n")
        (site / f"{name}.py").write_text(RAISES.format(hook=hook, error=ERRORS[place % len(ERRORS)]))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ['PYTHONPATH']}")
    monkeypatch.setenv("HARNESS_PLUGINS", ",".join(["toy_lab", "identity", *names.values()]))
    return names


def test_plugins_that_raise_in_every_hook_are_named_and_change_nothing(lab, spoilt, goes_on):
    goes_on()

    listed = lab.harness("ls", "plugins").out
    for name in spoilt.values():
        assert name in listed


def test_each_event_that_raised_is_told_once(lab, spoilt, sweep):
    ended = lab.run(*sweep)

    for hook, name in spoilt.items():
        event = hook.removeprefix("harness_")
        told = ended.err.count(f"plugin {name} failed at {event}, and is told nothing more")
        assert told == (event.startswith(("study", "sample", "run"))), hook
