"""What a task leaves to the model is decided from the model's facts, before anything is done or stored."""

import importlib
import json
from dataclasses import replace


def test_a_setting_left_to_the_model_is_decided_from_its_facts(lab, monkeypatch):
    toys = importlib.import_module("toy_lab")
    monkeypatch.setattr(toys.CounterModel, "facts", lambda model, location: {"numbers": 2})
    monkeypatch.setattr(toys.Counting, "resolved", lambda task, facts: replace(task, samples=facts["numbers"]))

    ended = lab.run("+method=shift", "task.samples=4")

    assert ended.code == 0
    assert lab.runs() == {"identity": ("done", 2), "shift": ("done", 2)}
    assert {json.loads(spec)["task"]["knobs"]["samples"] for (spec,) in lab.rows("SELECT spec FROM run")} == {2}


def test_what_a_method_says_of_itself_on_such_a_model_stands_in_the_plan_and_below_the_table(lab, monkeypatch):
    toys = importlib.import_module("toy_lab")
    monkeypatch.setattr(toys.Shift, "notes", lambda method, facts: [f"shifts by {method.by} of nothing"])

    ended = lab.run("+method=shift")

    assert "Note: shifts by 1 of nothing." in ended.err
    assert "\nshifts by 1 of nothing\n" in ended.out
