"""What is installed, readable and missing."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from harness.cli import doctor


@pytest.fixture(autouse=True)
def model(lab, monkeypatch):
    """The toy laboratory has no preset smollm2; its counter stands in as what a command gets that names no model."""
    from harness.config.compose import Composer

    monkeypatch.setattr(Composer, "defaults", lambda self, chosen: {"model": "counter"})


def test_where_the_main_job_can_run_it_says_so(lab):
    ended = lab.harness("doctor")

    assert ended.code == 0
    assert "harness run can work here." in ended.out
    for words in ("torch", "[test] pytest", "cpu", "latency", "RAPL", str(lab.store), "toy_lab", "cache"):
        assert words in ended.out
    assert "not there yet, the first run makes it" in ended.out
    assert not lab.store.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("no database " * 99, "is not a database"), (None, "written by a newer harness (schema 9999")],
    ids=["damaged", "newer"],
)
def test_a_store_that_can_not_be_used_is_broken(lab, content, message):
    if content:
        lab.store.write_text(content)
    else:
        with closing(sqlite3.connect(lab.store)) as connection, connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("INSERT INTO alembic_version VALUES ('9999')")

    ended = lab.harness("doctor")

    assert ended.code == 1
    assert message in ended.out.replace("\n", " ")
    assert "BROKEN" in ended.out
    assert "1 of these keep harness run from working" in ended.err


def test_a_plugin_that_fails_is_named_and_keeps_nothing_from_working(lab, monkeypatch):
    about = lab.root / "toy_broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harness.plugins]\ntoy_broken = toy_broken\n")
    (lab.root / "toy_broken.py").write_text("raise RuntimeError('half of it is missing')")
    monkeypatch.setenv("HARNESS_PLUGINS", "toy_lab,identity,toy_broken")
    monkeypatch.syspath_prepend(str(lab.root))

    ended = lab.harness("doctor")

    assert ended.code == 0
    assert "half of it is missing" in ended.out


def test_a_package_that_is_missing_or_too_old_says_what_to_install(lab, monkeypatch):
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["nobody-has-this>=1", "click>=999"])
    found = list(doctor.packages())

    assert [one.state for one in found] == ["BROKEN", "BROKEN"]
    assert found[0].detail == "not installed: pip install 'nobody-has-this>=1'"
    assert "but >=999 is needed" in found[1].detail


MODULES = """
import sys
from harness.cli.main import cli
try:
    cli.main(["doctor"], standalone_mode=False)
except Exception:
    pass
print()
print(*sys.modules)
"""


def test_nothing_heavy_is_imported(lab):
    done = subprocess.run([sys.executable, "-c", MODULES], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())

    assert "harness.cli.doctor" in modules
    assert not {"torch", "transformers", "lm_eval", "pandas", "scipy"} & modules
