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
