"""What can't be is refused before anything heavy is imported or anything is written."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

HEAVY = """
import atexit, os, sys
sys.argv[0] = "harness"
def tell():
    with open(os.environ["IMPORTED"], "w") as file:
        file.write("\\n".join(sys.modules))
atexit.register(tell)
from harness.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["+method=shfit"], "unknown method 'shfit'; did you mean shift?"),
        (["+method=shift", "task=countng"], "unknown task 'countng'; did you mean counting?"),
        (["+method=shift", "model=countr"], "unknown model 'countr'; did you mean counter?"),
        (["+method=shift", "method.shift.bye=2"], "shift has no setting 'bye'; did you mean by?"),
        (["+method=shift", "method.shift.by=much"], "by takes a whole number, got 'much'"),
        (["+method=shift", "task.samples=0"], "counting.samples must be at least 1, got 0"),
        (["+method=shift", "task.scoring=twic"], "got 'twic'; did you mean twice?"),
        (["+method=shift", "device=cdua"], "did you mean cuda?"),
        (["+method=shift", "measure=quik"], "did you mean quick?"),
        (["+method=shift", "worker.timeout=0"], "worker.timeout must be at least 1, got 0"),
        (["+method=shift", "tsak.samples=1"], "did you mean task?"),
        (["+method=misplaced"], "method misplaced acts at 'after_prefill', which a counter does not publish"),
        (["+method=[shift,failing]"], "failing can't follow shift in a stack: it relies on order"),
        (["+method=[shift,shift]"], "shift stands twice in the stack"),
    ],
)
def test_what_can_not_be_is_refused_in_one_message_and_nothing_is_written(lab, words, message):
    heads = {word.split("=")[0] for word in words}
    defaults = [word for word in ("task=counting", "model=counter") if word.split("=")[0] not in heads]
    ended = lab.harness("run", *words, *defaults)

    assert ended.code == 2
    assert message in ended.err
    assert ended.err.startswith("Error: ")
    assert ended.out == ""
    assert not lab.store.exists()
    assert not lab.log.exists()


def test_members_of_a_stack_that_fit_in_the_other_order_run(lab):
    ended = lab.harness("run", "--dry-run", "+method=[failing,shift]", "task=counting", "model=counter")

    assert ended.code == 0
    assert "failing+shift" in ended.out


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["run", "--help"],
        ["ls", "methods"],
        ["ls", "plugins"],
        ["run", "+method=xkvv", "task=ruler"],
        ["run", "+method=xkv", "task=ruler", "method.xkv.group_siz=3"],
        ["run", "+method=xkv", "task=ruler", "task.context=0"],
    ],
)
def test_nothing_heavy_is_imported_to_help_list_or_refuse(lab, args, monkeypatch):
    monkeypatch.delenv("HARNESS_PLUGINS")
    monkeypatch.setenv("IMPORTED", str(lab.root / "imported"))
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, *args], capture_output=True, text=True, cwd=lab.root, timeout=30
    )

    assert done.returncode == (2 if "task=ruler" in args else 0), done.stderr
    imported = set((lab.root / "imported").read_text().split())
    assert imported & {"torch", "transformers", "lm_eval", "numpy", "pandas", "scipy", "datasets"} == set()
    if "--help" in args:
        assert imported & {"hydra", "omegaconf", "sqlalchemy", "alembic", "rich", "pluggy"} == set()


def test_an_unknown_command_is_answered_with_the_nearest(lab):
    ended = lab.harness("comapre")

    assert ended.code == 2
    assert "did you mean compare?" in ended.err


@pytest.mark.parametrize("command", [["compare"], ["export"], ["ls", "runs"], ["ls", "studies"], ["show", "1"]])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "there are no results in {path} yet"),
        (lambda path: path.write_text("These are not the results you look for." * 99), "{path} is not a database"),
        (lambda path: newer(path), "was written by a newer harness (schema 0999"),
    ],
    ids=["missing", "corrupt", "newer"],
)
def test_a_store_that_can_not_be_read_is_explained_and_left_alone(lab, command, spoil, message):
    spoil(lab.store)
    before = lab.store.read_bytes() if lab.store.exists() else None

    ended = lab.harness(*command)

    assert ended.code == 1
    assert message.format(path=lab.store) in ended.err
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    assert ended.out == ""
    assert (lab.store.read_bytes() if lab.store.exists() else None) == before


def newer(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0999')")


def test_a_run_or_study_that_is_not_there_is_a_mistake_of_usage(lab):
    lab.run("+method=shift", "task.samples=1")

    for args in (["show", "99"], ["compare", "99"], ["compare", "1", "99"], ["show", "1", "--prompt", "99"]):
        ended = lab.harness(*args)
        assert ended.code == 2, args
        assert "99" in ended.err
        assert ended.err.count("\n") == 1


def test_a_dry_run_prints_the_plan_and_writes_nothing(lab):
    ended = lab.harness("run", "--dry-run", "+method=shift", "task=counting", "model=counter")

    assert ended.code == 0
    assert "2 runs (identity, shift) of counting on counter" in ended.out
    assert not lab.store.exists()
    assert not lab.log.exists()
