"""Commands that read: what a finished study shows."""

import json

import pytest

BROKEN = {
    "raises": "raise RuntimeError('half of it is missing')",
    "misspelt": "import numpyy",
    "unfinished": "def harness_methods(:",
    "leaves": "import sys; sys.exit(3)",
}


@pytest.fixture(scope="module")
def read(shared_lab):
    """A command over the store of one study, which ends well."""
    assert shared_lab.run("+method=shift", "tags=[mine]").code == 0

    def harness(*args):
        ended = shared_lab.harness(*args)
        assert ended.code == 0, ended.err
        return ended.out

    return harness


def test_compare_shows_the_last_study(read):
    out = read("compare")

    assert "identity (baseline)" in out
    assert "shift" in out
    assert out == read("compare", "1")


def test_two_runs_are_compared_with_the_first(read):
    assert "shift (baseline)" in read("compare", "2", "1")


def test_runs_and_studies_are_listed(read):
    runs = read("ls", "runs")

    assert [line.split()[:3] for line in runs.splitlines()[1:]] == [
        ["2", "shift", "counting"],
        ["1", "identity", "counting"],
    ]
    assert "4/4" in runs
    assert "mine" in runs
    assert "harness run +method=shift" in read("ls", "studies")
    assert "identity" not in read("ls", "runs", "--method", "shift")


def test_a_run_is_shown_with_its_samples_and_prompts(read):
    shown = read("show", "2", "--samples")

    assert "shift on counting, counter, cpu, seed 0" in shown
    assert "done, 4 of 4 samples" in shown
    assert "latency_s" in shown
    assert "right=1" in shown
    assert "kept=7" in shown
    assert read("show", "2", "--prompt", "3") == "double 3\n"


@pytest.mark.parametrize("form", ["csv", "json", "md"])
def test_a_study_is_exported(read, form):
    text = read("export", "--format", form)

    assert "shift" in text
    if form == "json":
        json.loads(text)


def test_what_plugins_offer_is_listed_with_its_settings(read):
    assert "shift" in read("ls", "methods")
    assert "how wrongly" in read("ls", "methods", "--knobs")
    assert "toy-lab" in read("ls", "plugins")
    assert "counting" in read("ls", "tasks")
    assert "counter" in read("ls", "models")


def test_a_preset_of_a_model_that_is_not_there_says_so(read):
    (line,) = [line for line in read("ls", "models").splitlines() if line.startswith("smollm2")]

    assert "can't be used" in line
    assert "unknown model 'hf'" in line


@pytest.mark.parametrize(("name", "source"), BROKEN.items())
def test_a_broken_plugin_is_named_with_its_reason_and_breaks_nothing(lab, monkeypatch, name, source):
    about = lab.root / f"toy_{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-{name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[harness.plugins]\ntoy_{name} = toy_{name}\n")
    (lab.root / f"toy_{name}.py").write_text(source)
    monkeypatch.setenv("HARNESS_PLUGINS", f"toy_lab,identity,toy_{name}")
    monkeypatch.syspath_prepend(str(lab.root))

    listed = lab.harness("ls", "plugins")
    ended = lab.harness("run", "--dry-run", "+method=shift", "task=counting", "model=counter")
    refused = lab.harness("run", f"+method=toy_{name}", "task=counting", "model=counter")

    assert listed.code == ended.code == 0
    failed = listed.out.partition("Failed to load:")[2]
    assert f"toy_{name}" in failed
    assert f"toy_{name}.py:1" in failed
    assert refused.code == 2
    assert "its plugin failed to load" in refused.err
