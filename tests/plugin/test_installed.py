"""A package of somebody else's, installed for real."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "example_package"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that pip has installed the example into."""
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "package")  # building leaves things beside it
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def harness(lab, site):
    """A command where the example is installed."""

    def run(*args):
        path = os.pathsep.join([str(site), lab.env["PYTHONPATH"]])
        started = lab.start(*args, PYTHONPATH=path, HARNESS_PLUGINS="toy_lab,identity,coarse")
        out, err = started.communicate(timeout=120)
        return started.returncode, out, err

    return run


def test_it_is_found_with_its_distribution_version_and_place(harness, site):
    code, out, _ = harness("plugin", "ls")

    (line,) = [line for line in out.splitlines() if line.startswith("coarse ")]
    assert code == 0
    told = f"coarse entry point of example-coarse 2.1 method coarse {site / 'example_coarse'}"
    assert " ".join(line.split()) == told


def test_its_methods_are_listed_with_its_own_words(harness):
    _, out, _ = harness("ls", "methods", "--knobs")

    assert "coarse" in out
    assert "counting" in out
    assert "Coarse: tells numbers in steps." in out
    assert "what a number is a multiple of; 1 changes nothing" in out


def test_it_runs_beside_the_baseline_by_name_and_by_a_preset_of_its_own(harness, lab):
    words = ("task=counting", "model=counter", "device=cpu", "device.threads=1", "measure.samples=1")

    code, _, err = harness("run", "+method=coarse,coarse_by_four", *words)

    assert code == 0, err
    rows = lab.rows(
        "SELECT spec, group_concat(value) FROM (SELECT spec, value FROM run JOIN score ON run.id = run_id "
        "WHERE label = 'coarse' ORDER BY run.id, number) GROUP BY spec"
    )
    scores = {json.loads(spec)["stack"][0]["knobs"]["step"]: values for spec, values in rows}
    assert scores == {2: "1.0,1.0,1.0,1.0", 4: "1.0,0.0,1.0,0.0"}  # twice 0, 1, 2, 3 is 0, 2, 4, 6


def test_it_keeps_its_contract_on_the_laboratorys_toy(harness):
    code, out, err = harness("plugin", "check", "example-coarse")

    assert code == 0, err
    assert out.splitlines()[-1] == "8 of 8 promises kept, 0 broken, 0 not applicable."
