"""The worker runs in any Python that has pluggy and what its plugins need."""

import json
import subprocess
import sys

import pytest

FOREIGN = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ImportError(f"{{name}} is not here")

sys.meta_path.insert(0, Forbidden())
"""
NAMES = [
    "alembic",
    "click",
    "hydra",
    "numpy",
    "omegaconf",
    "pandas",
    "psutil",
    "rich",
    "scipy",
    "sqlalchemy",
    "torch",
    "yaml",
]


@pytest.fixture
def talk(lab, tmp_path, monkeypatch):
    """What a worker says to these messages."""

    def said(*messages):
        lines = "".join(json.dumps(message) + "\n" for message in messages)
        command = [sys.executable, "-m", "harness.engine.worker"]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return said


def open_message(*stacks):
    return {
        "do": "open",
        "model": {"name": "counter", "knobs": {}},
        "location": {"path": "", "revision": "1"},
        "trained": None,
        "device": {"kind": "cpu", "threads": 1},
        "runs": [
            {"run": number, "stack": stack, "artifacts": [None] * len(stack)}
            for number, stack in enumerate(stacks, start=1)
        ],
    }


IDENTITY = [{"name": "identity", "knobs": {}}]
SHIFT = [{"name": "shift", "knobs": {"by": 3}}]
MEASURE = {"name": "quick", "processes": 1, "warmups": 1, "samples": 1, "decides": False}


def test_it_needs_the_standard_library_and_pluggy_alone(talk, lab, monkeypatch):
    (lab.root / "sitecustomize.py").write_text(FOREIGN.format(names=NAMES))
    monkeypatch.setenv("PYTHONPATH", f"{lab.root}:{lab.env['PYTHONPATH']}")

    events = talk(
        open_message(IDENTITY, SHIFT),
        {"do": "answer", "request": {"number": 3}, "runs": [1, 2]},
        {
            "do": "read",
            "run": 2,
            "meters": ["latency", "memory", "flops"],
            "requests": [{"number": 1}],
            "measure": MEASURE,
        },
    )

    outputs = [event["output"]["value"] for event in events if event["event"] == "answer"]
    assert outputs == [6, 9]
    assert [event["event"] for event in events if event["event"] in ("ready", "answered", "read", "error")] == [
        "ready",
        "answered",
        "read",
    ]
    (flops,) = [event["readings"][0] for event in events if event.get("meter") == "flops"]
    assert flops["reason"] == "the subject does not compute with torch"


def test_it_says_who_acts_before_anything_can_happen(talk, lab):
    events = talk(open_message(SHIFT), {"do": "answer", "request": {"number": 0}, "runs": [1]})

    assert [(event["event"], event.get("run")) for event in events[1:]] == [
        ("acting", 1),
        ("acting", None),
        ("answer", 1),
        ("answered", None),
    ]


def test_it_goes_on_after_a_method_that_raised(talk, lab):
    failing = [{"name": "failing", "knobs": {"how": "raise", "at": 0}}]

    events = talk(
        open_message(failing, SHIFT), *({"do": "answer", "request": {"number": n}, "runs": [1, 2]} for n in (0, 1))
    )

    (failed,) = [event for event in events if event["event"] == "failed"]
    assert failed["run"] == 1
    assert failed["reason"].startswith("ValueError: planted (")
    assert [event["run"] for event in events if event["event"] == "answer"] == [2, 2]


def test_an_unknown_method_is_an_error_and_not_a_death(talk, lab):
    (event,) = talk(open_message([{"name": "shfit", "knobs": {}}]))

    assert event["event"] == "error"
    assert "did you mean shift?" in event["reason"]
