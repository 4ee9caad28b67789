"""The contract every method passes, whoever wrote it:

from harness.testing import contract
test_contract = contract(MyMethod(), MyMethod(strength=0.9))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, cast

import pytest

from harness.plugin.contracts import Method, Stack
from harness.plugin.discovery import Registry, load
from harness.spec.records import Response


class Toy(NamedTuple):
    """A small loaded subject, as `Subject.toy` of its kind makes it."""

    subject: Any
    request: dict[str, Any]
    state: Callable[[], object]  # compares equal exactly while nothing of the subject has changed


class Answer(NamedTuple):
    response: Response
    evidence: dict[str, float]


def answered(method: Method | None, toy: Toy) -> Answer:
    """The toy's answer under a method, or under none."""
    stack = Stack((method,) if method else ())
    with stack.apply(toy.subject) as evidences:
        response = toy.subject.respond(toy.request, stack.needs())
        evidence = stack.evidence(evidences) if method else {}
    return Answer(response, evidence)


def leaves_every_sample_with_its_evidence(method: Method, toy: Toy) -> None:
    stack = Stack((method,))
    for _ in range(2):
        assert stack.missing(answered(method, toy).evidence) == []


def gives_the_subject_back_as_it_was(method: Method, toy: Toy) -> None:
    before, state = answered(None, toy), toy.state()
    answered(method, toy)
    assert toy.state() == state
    assert answered(None, toy) == before


def gives_the_subject_back_after_an_exception(method: Method, toy: Toy) -> None:
    before, state = answered(None, toy), toy.state()
    with pytest.raises(RuntimeError, match="planted"), method.apply(toy.subject):
        raise RuntimeError("planted")
    assert toy.state() == state
    assert answered(None, toy) == before


def gives_the_same_twice(method: Method, toy: Toy) -> None:
    assert answered(method, toy) == answered(method, toy)


def changes_nothing_at_its_neutral_setting(method: Method, toy: Toy) -> None:
    if method.neutral is None:
        pytest.skip(f"{method.name} has no setting that should change nothing")
    neutral = replace(method, **method.neutral)
    assert answered(neutral, toy).response.output == answered(None, toy).response.output


def can_be_built_from_its_settings(method: Method, toy: Toy) -> None:
    assert type(method).build(method.settings()) == method


CHECKS = (
    leaves_every_sample_with_its_evidence,
    gives_the_subject_back_as_it_was,
    gives_the_subject_back_after_an_exception,
    gives_the_same_twice,
    changes_nothing_at_its_neutral_setting,
    can_be_built_from_its_settings,
)


@cache
def _registry() -> Registry:
    return load()


@cache
def toy_of(kind: str) -> Toy:
    """The toy that the plugin of this kind of subject publishes."""
    toy: Toy = _registry().subject(kind).toy()
    return toy


def contract(*methods: Method, toy: Toy | None = None) -> Callable[..., None]:
    """A test function that holds each method to the contract, on its kind's toy unless one is given."""

    @pytest.mark.parametrize("method", methods, ids=[str(method) for method in methods])
    @pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
    def test_contract(method: Method, check: Callable[[Method, Toy], None]) -> None:  # type: ignore[untyped-decorator]
        kinds = sorted(method.traits.subjects)
        check(method, toy or toy_of(kinds[0] if kinds else sorted(_registry().subjects)[0]))

    return cast(Callable[..., None], test_contract)
