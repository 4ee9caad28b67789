"""Plugins are told what happens once the store has it; one that raises breaks nothing."""

import os
import textwrap

import pytest

EAR = """
    import os, sqlite3
    from harness.api import hookimpl

    def note(line):
        with open(os.environ["EAR"], "a") as file:
            print(line, file=file)

    def stored(query):
        with sqlite3.connect(os.environ["HARNESS_STORE"]) as connection:
            return connection.execute(query).fetchone()[0]

    @hookimpl
    def harness_study_started(study):
        note(f"started {[(run.label, run.role, run.status) for run in study.runs]}")

    @hookimpl
    def harness_sample_finished(sample):
        kept = stored(f"SELECT count(*) FROM score WHERE run_id = {sample.run.id} AND number = {sample.number}")
        scores = [(one.metric, one.value) for one in sample.scores]
        note(f"sample {sample.run.label} {sample.number} {sample.stratum} {scores} {kept}")

    @hookimpl
    def harness_run_finished(run):
        kept = stored(f"SELECT status FROM run WHERE id = {run.id}")
        note(f"run {run.label} {run.status} {run.done}/{run.planned} {kept}: {run.reason}")

    @hookimpl
    def harness_study_finished(study):
        note(f"finished {study.status} {stored('SELECT status FROM study ORDER BY id DESC')}")
"""
FAILING = """
    from harness.api import hookimpl

    @hookimpl
    def harness_sample_finished():
        raise ValueError("no room")

    @hookimpl
    def harness_study_finished():
        raise SystemExit("never reached")
"""


@pytest.fixture
def ears(lab, monkeypatch):
    """Installs plugins that only listen; returns what the first of them heard."""
    monkeypatch.syspath_prepend(str(lab.root / "site"))
    monkeypatch.setenv("PYTHONPATH", f"{lab.root / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    monkeypatch.setenv("EAR", str(lab.root / "heard"))

    def install(**sources):
        for name, source in sources.items():
            place = lab.root / "site" / f"toy_{name}-1.0.dist-info"
            place.mkdir(parents=True)
            (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-{name}\nVersion: 1.0\n")
            (place / "entry_points.txt").write_text(f"[harness.plugins]\n{name} = toy_{name}\n")
            (lab.root / "site" / f"toy_{name}.py").write_text(textwrap.dedent(source))
        monkeypatch.setenv("HARNESS_PLUGINS", ",".join(["toy_lab", "identity", *sources]))

    def heard():
        path = lab.root / "heard"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    install.heard = heard
    return install


def test_a_command_is_told_from_beginning_to_end_each_time_after_the_store_has_it(lab, ears):
    ears(ear=EAR)

    lab.run("+method=shift", "task.samples=2")

    assert ears.heard() == [
        "started [('identity', 'baseline', 'planned'), ('shift', 'method', 'planned')]",
        "sample identity 0 even [('right', 1.0)] 1",
        "sample shift 0 even [('right', 1.0)] 1",
        "sample identity 1 odd [('right', 1.0)] 1",
        "sample shift 1 odd [('right', 0.0)] 1",
        "run identity done 2/2 done: None",
        "run shift done 2/2 done: None",
        "finished done done",
    ]


def test_what_an_earlier_command_has_done_is_not_told_again(lab, ears):
    ears(ear=EAR)
    lab.run("+method=shift", "task.samples=1")
    ears.heard()

    lab.run("+method=shift", "task.samples=1")

    assert ears.heard() == [
        "started [('identity', 'baseline', 'done'), ('shift', 'method', 'done')]",
        "finished done done",
    ]


@pytest.mark.parametrize(
    ("how", "status"), [("raise", "failed: ValueError: planted"), ("silent", "invalid: no evidence")]
)
def test_a_run_that_fails_is_told_with_its_reason(lab, ears, how, status):
    ears(ear=EAR)

    lab.run("+method=failing", f"method.failing.how={how}", "method.failing.at=0", "task.samples=1")

    heard = ears.heard()
    (told,) = [line for line in heard if line.startswith("run failing")]
    word = status.partition(":")[0]
    assert told.startswith(f"run failing {word} 0/1 {status}")
    assert heard[-1] == "finished failed failed"


def test_a_hook_that_raises_is_named_once_and_breaks_nothing(lab, ears):
    ears(loud=FAILING, ear=EAR)

    ended = lab.run("+method=shift", "task.samples=2")

    assert ended.code == 0
    place = lab.root / "site" / "toy_loud.py"
    message = f"plugin loud failed at sample_finished, and is told nothing more: ValueError: no room ({place}:6)"
    assert ended.err.count(message) == 1
    assert "never reached" not in ended.err
    assert lab.runs() == {"identity": ("done", 2), "shift": ("done", 2)}
    assert ears.heard()[-1] == "finished done done"


def test_plugins_that_only_listen_are_listed_with_what_they_listen_to(lab, ears):
    ears(loud=FAILING)

    assert "hears sample_finished, study_finished" in lab.harness("ls", "plugins").out
