"""The contract every plugin keeps, whoever wrote it, as a test:

from harness.testing import contract
test_contract = contract(MyMethod(), MyMethod(strength=0.9), MyTask())
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

from harness.plugin.contracts import Meter, Method, Model, Subject, Task
from harness.plugin.discovery import Registry, load
from harness.spec.errors import UsageError
from harness.testing.checks import Check, Skipped, Toy, answered, checks_of

__all__ = ["Toy", "answered", "contract", "toy_of"]


@cache
def _registry() -> Registry:
    return load()


@cache
def toy_of(kind: str) -> Toy:
    """The toy that the plugin of this kind of subject publishes."""
    toy: Toy = _registry().subject(kind).toy()
    return toy


def kinds_of(plugin: Any, registry: Registry) -> list[str]:
    """Kinds of subject it can be tried on."""
    if isinstance(plugin, Method):
        return sorted(plugin.traits.subjects) or sorted(registry.subjects)
    if isinstance(plugin, Task):
        return sorted(plugin.subjects)
    if isinstance(plugin, type):
        return [cast(type[Subject], plugin).kind]
    return sorted(registry.subjects)


def toy_for(plugin: Any, kinds: Iterable[str], make: Callable[[str], Toy]) -> Toy:
    """What to try it on; a model loads its own.

    Raises:
        Skipped: no subject it acts on publishes a toy.
    """
    if isinstance(plugin, Model):
        return Toy(None, {}, lambda: None)
    lacking = []
    for kind in kinds:
        try:
            return make(kind)
        except (NotImplementedError, UsageError):
            lacking.append(kind)
    raise Skipped(f"there is no toy of a {' or '.join(lacking)} to try it on")


def contract(*plugins: Method | Task | Model | Meter | type[Subject], toy: Toy | None = None) -> Callable[..., None]:
    """A test function that holds each to its contract, on the toy of its kind unless one is given."""
    import pytest

    cases = [
        pytest.param(plugin, check, id=f"{check.__name__}-{named(plugin)}")
        for plugin in plugins
        for check in checks_of(plugin)
    ]

    @pytest.mark.parametrize(("plugin", "check"), cases)
    def test_contract(plugin: Any, check: Check) -> None:  # type: ignore[untyped-decorator]
        try:
            check(plugin, toy or toy_for(plugin, kinds_of(plugin, _registry()), toy_of))
        except Skipped as why:
            pytest.skip(str(why))

    return cast(Callable[..., None], test_contract)


def named(plugin: Any) -> str:
    """Without its settings: they may hold a path, and a test's name has to be the same in every process."""
    return str(getattr(plugin, "__name__", type(plugin).__name__))
