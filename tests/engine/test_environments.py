"""Methods whose workers run in a Python of their own, beside those of the command's."""

import json
import re
import zipfile
from importlib.metadata import version

import pytest

PLUGIN = '''
"""Shifts in another Python."""

from contextlib import contextmanager
from dataclasses import dataclass, make_dataclass

from harness.api import Evidence, Method, Traits, catalogue, hookimpl, knob


class Elsewhere(Method):
    traits = Traits(
        "counting",
        frozenset({"counter"}),
        frozenset({"after_thought"}),
        frozenset({"kept", "revision"}),
        environment="elsewhere",
    )

    @contextmanager
    def apply(self, subject):
        import only_there

        evidence = Evidence()

        def shift(thought):
            thought.value += self.by * (thought.number % 2)
            evidence.record(kept=7, revision=only_there.REVISION)

        with subject.at("after_thought", shift):
            yield evidence


@hookimpl
def harness_methods():
    return [
        make_dataclass(
            "Shift", [("by", int, knob(one["by"], help="how wrongly"))],
            bases=(Elsewhere,), namespace={"name": one["name"], "__module__": __name__}, frozen=True,
        )
        for one in catalogue("elsewhere")
    ]
'''
CATALOGUE = 'import json, only_there; print(json.dumps([{"name": "elsewhere/shift", "by": only_there.REVISION}]))'


def wheel(folder, revision):
    """A package that is in no index."""
    path = folder / f"only_there-{revision}-py3-none-any.whl"
    about = f"only_there-{revision}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("only_there.py", f"REVISION = {revision}\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: only-there\nVersion: {revision}\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


def declare(lab, *requirements):
    place = lab.root / "site" / "toy_elsewhere" / "conf" / "environment"
    place.mkdir(parents=True, exist_ok=True)
    declared = {"help": "tests", "requirements": requirements, "catalogue": "toy_elsewhere.catalogue"}
    (place / "elsewhere.yaml").write_text(json.dumps(declared))


@pytest.fixture(scope="module")
def lab(shared_lab):
    made = shared_lab
    with pytest.MonkeyPatch.context() as patch:
        site = made.root / "site"
        about = site / "toy_elsewhere-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-elsewhere\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[harness.plugins]\nelsewhere = toy_elsewhere\n")
        declare(made, f"only-there @ file://{wheel(made.root, 5)}")
        (site / "toy_elsewhere" / "__init__.py").write_text(PLUGIN)
        (site / "toy_elsewhere" / "catalogue.py").write_text(CATALOGUE)
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", f"{site}:{made.env['PYTHONPATH']}")
        patch.setenv("HARNESS_PLUGINS", "toy_lab,identity,elsewhere")
        patch.setenv("COLUMNS", "300")
        yield made


@pytest.fixture(scope="module")
def missing(lab):
    """What is said while the environment is not there."""
    return lab.run("+method=elsewhere/shift"), lab.harness("ls", "methods"), lab.harness("doctor")


@pytest.fixture(scope="module")
def made(lab, missing):
    ended = lab.harness("env", "create", "elsewhere")
    assert ended.code == 0, ended.err
    return ended


@pytest.fixture(scope="module")
def ran(lab, made):
    ended = lab.run("+method=shift,elsewhere/shift", "method.all.by=5")
    assert ended.code == 0, ended.err
    return ended


REMEDY = "environment elsewhere is not here; make it with: harness env create elsewhere"


def test_a_missing_environment_is_told_in_one_sentence(missing):
    run, methods, doctor = missing

    assert run.code == 2
    assert run.err.strip() == f"Error: method 'elsewhere/shift' can't be used: {REMEDY}"
    assert f"More from elsewhere: {REMEDY}" in methods.out
    assert REMEDY in doctor.out


def test_what_it_offers_is_known_without_importing_it(lab, made):
    methods = lab.harness("ls", "methods", "--knobs")

    assert "elsewhere/shift" in methods.out
    with pytest.raises(ImportError):
        import only_there  # noqa: F401


def test_runs_of_both_stand_in_one_table_each_beside_a_baseline_of_its_own(ran):
    for words in ("identity (baseline)", "identity in elsewhere (baseline)", "elsewhere/shift"):
        assert words in ran.out
    assert re.search(r"^elsewhere/shift.*: (worse than|undecided against) identity in elsewhere", ran.out, re.M)
    assert re.search(r"^shift.*: (worse than|undecided against) identity in right", ran.out, re.M)
    assert "made in environment elsewhere" in ran.out
    assert "identity in elsewhere answers as identity does in 4 of 4 samples" in ran.out


def test_workers_run_there_with_the_packages_of_both(lab, ran):
    ((evidence,), *_) = lab.rows(
        "SELECT evidence FROM sample JOIN run ON run.id = run_id WHERE label = 'elsewhere/shift' ORDER BY number"
    )
    homes = dict(
        lab.rows("SELECT label, facts FROM run JOIN environment ON environment.id = environment_id ORDER BY run.id")
    )
    facts = json.loads(homes["elsewhere/shift"])

    assert json.loads(evidence)["revision"] == 5
    assert facts["packages"]["only-there"] == "5"
    assert facts["torch"] == version("torch")
    assert "packages" not in json.loads(homes["shift"])


def test_the_same_command_does_nothing_twice(lab, ran):
    before = len(lab.logged("respond"))
    again = lab.run("+method=shift,elsewhere/shift", "method.all.by=5")

    assert again.code == 0, again.err
    assert len(lab.logged("respond")) == before


def test_other_requirements_ask_for_another_environment(lab, ran):
    kept = lab.root / "site" / "toy_elsewhere" / "conf" / "environment" / "elsewhere.yaml"
    text = kept.read_text()
    declare(lab, "only-there==6")
    ended = lab.run("+method=elsewhere/shift")
    kept.write_text(text)

    assert ended.code == 2
    assert "was made for other requirements" in ended.err
    assert "harness env create elsewhere" in ended.err


def test_doctor_starts_a_worker_in_it(lab, made):
    rows = [line.split() for line in lab.harness("doctor").out.splitlines()]

    assert ["ok", "elsewhere"] in [row[:2] for row in rows]


def test_one_that_can_not_be_made_is_told_and_is_not_there(lab, ran):
    text = (lab.root / "site" / "toy_elsewhere" / "conf" / "environment" / "elsewhere.yaml").read_text()
    declare(lab, f"only-there @ file://{lab.root}/gone.whl")
    made = lab.harness("env", "create", "elsewhere")
    used = lab.run("+method=elsewhere/shift")
    (lab.root / "site" / "toy_elsewhere" / "conf" / "environment" / "elsewhere.yaml").write_text(text)

    assert made.code == 1
    assert made.err.strip().splitlines()[-1].startswith("Error: environment elsewhere can't be made: ERROR:")
    assert used.code == 2
    assert REMEDY in used.err


def test_unknown_names_and_bad_declarations_are_refused(lab):
    unknown = lab.harness("env", "create", "elswhere")
    place = lab.root / "site" / "toy_elsewhere" / "conf" / "environment" / "odd.yaml"
    place.write_text("needs: [torch]")
    odd = lab.harness("env", "ls")
    place.unlink()

    assert (unknown.code, odd.code) == (2, 2)
    assert "did you mean elsewhere?" in unknown.err
    assert "odd.yaml must have requirements: [...]" in odd.err


def test_removed_it_is_gone(lab, ran):
    removed, again = lab.harness("env", "remove", "elsewhere"), lab.harness("env", "remove", "elsewhere")

    assert "is removed" in removed.out
    assert "was not here" in again.out
