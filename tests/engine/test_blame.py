"""An error in any part of a plugin is one sentence that names it."""

import importlib

import pytest

PLACES = {
    "CounterModel.resolved": "model counter can't be resolved for cpu",
    "CounterModel.fetch": "model counter can't be fetched",
    "CounterModel.facts": "model counter can't tell its facts",
    "CounterModel.processor": "model counter can't load its processor",
    "CounterModel.seconds": "model counter can't guess how long it takes",
    "CounterModel.notes": "model counter can't say its notes",
    "Counting.check": "task counting can't check the model",
    "Counting.sources": "task counting can't name its sources",
    "Counting.planned": "task counting can't say how many samples it has",
    "Counting.describe": "task counting can't describe itself",
    "Shift.check": "method shift can't check the model",
    "Shift.notes": "method shift can't say its notes",
    "Shift.nominal": "method shift can't say what it asks for",
}


def fail(*args, **kwargs):
    raise LookupError("planted\nand more")


@pytest.fixture
def spoilt(lab, monkeypatch):
    """Has one method of the toy laboratory raise."""

    def spoil(place, act=fail):
        owner, name = place.split(".")
        monkeypatch.setattr(getattr(importlib.import_module("toy_lab"), owner), name, act)

    return spoil


@pytest.mark.parametrize("place", PLACES)
def test_an_error_in_a_plugin_is_one_sentence_that_names_it(lab, spoilt, place):
    spoilt(place)

    ended = lab.run("+method=shift")

    (said,) = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert ended.code == 1
    assert said.startswith(f"Error: {PLACES[place]}: LookupError: planted ({__file__}:")
    assert said.endswith("[HARNESS_DEBUG=1 shows the traceback]")
    assert "Traceback" not in ended.err


def test_the_traceback_is_shown_where_it_is_asked_for(lab, spoilt, monkeypatch):
    monkeypatch.setenv("HARNESS_DEBUG", "1")
    spoilt("Counting.describe")

    ended = lab.run("+method=shift")

    assert ended.code == 1
    assert "Traceback (most recent call last)" in ended.err
    assert 'raise LookupError("planted' in ended.err


def test_a_refusal_is_shown_as_the_plugin_wrote_it(lab, spoilt):
    from harness.api import IncompatibleError

    def refuse(*args):
        raise IncompatibleError("counting needs a larger model")

    spoilt("Counting.check", refuse)

    ended = lab.run("+method=shift")

    assert (ended.code, ended.err) == (2, "Error: counting needs a larger model\n")


def test_a_model_that_does_not_say_where_it_lies_is_told_what_to_return(lab, spoilt):
    spoilt("CounterModel.fetch", lambda self: {"path": "here"})

    ended = lab.run("+method=shift")

    message = "model counter: fetch() must return a dict with path and revision, got {'path': 'here'}"
    assert (ended.code, ended.err) == (1, f"Error: {message}\n")


def test_settings_that_make_a_plugin_raise_are_a_mistake_of_usage(lab, spoilt):
    toy = importlib.import_module("toy_lab")
    checked = toy.Shift.__post_init__

    def odd(self):
        checked(self)
        if self.by == 3:
            raise ValueError("3 is my limit")

    spoilt("Shift.__post_init__", odd)

    ended = lab.run("+method=shift", "method.shift.by=3")

    assert (ended.code, ended.err) == (2, "Error: shift refuses its settings: ValueError: 3 is my limit\n")
