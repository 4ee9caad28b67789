"""A run that fails takes no other with it, and says why."""

import re

import pytest

HOWS = ("raise", "segfault", "hang", "memory", "sigkill", "exit", "silent", "lie", "shared", "skipped", "unapplied")


@pytest.fixture(scope="module")
def wrecked(shared_lab):
    """A sweep with every kind of failure, and what became of it."""
    ended = shared_lab.run("+method=shift,failing", f"method.failing.how={','.join(HOWS)}", "worker.timeout=5")
    return shared_lab, ended


def reason(lab, how):
    ((text,),) = lab.rows(f'SELECT reason FROM run WHERE spec LIKE \'%"how": "{how}"%\'')
    return text


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("raise", "failed", "ValueError: planted ("),
        ("segfault", "failed", "crashed with SIGSEGV at File "),
        ("hang", "failed", "hung: no progress in 5 s (raise worker.timeout"),
        ("memory", "failed", "out of memory: MemoryError"),
        ("sigkill", "failed", "killed by the system (SIGKILL), most likely for memory"),
        ("exit", "failed", "SystemExit: enough"),
        ("silent", "invalid", "no evidence that it acted: kept missing"),
        ("lie", "invalid", "its evidence says kept is 5, the subject has 7"),
        ("shared", "failed", "crashed with SIGSEGV"),
        ("skipped", "failed", "the counter gave no answer to sample 0"),
        ("unapplied", "failed", "ValueError: planted ("),
    ],
)
def test_a_failed_run_has_its_reason_and_what_it_did_before(wrecked, how, status, words):
    lab, _ = wrecked

    assert lab.runs()[how] == (status, 0 if how in ("skipped", "unapplied") else 2)
    assert words in reason(lab, how)


def test_the_other_runs_are_complete_and_right(wrecked):
    lab, _ = wrecked

    assert lab.runs()["identity"] == ("done", 4)
    assert lab.runs()["shift"] == ("done", 4)
    assert [row[-1] for row in lab.results() if row[0] == "shift"] == [1.0, 0.0, 1.0, 0.0]
    assert lab.is_sound()


def test_failures_are_summed_up_at_the_end_and_in_the_exit_code(wrecked):
    lab, ended = wrecked

    assert ended.code == 1
    assert f"{len(HOWS)} of the runs failed; the same command tries them again:" in ended.err
    told = re.findall(r"^  failing on counting: .*?(?: \((\d+) runs\))?$", ended.err, re.MULTILINE)
    assert sum(int(alike or 1) for alike in told) == len(HOWS)  # those that fail alike are told once
    assert "Traceback" not in ended.err
    assert lab.rows("SELECT status FROM study") == [("failed",)]


def test_failed_and_invalid_runs_are_shown_as_such_and_not_counted(wrecked):
    _, ended = wrecked

    assert "FAILED" in ended.out
    assert "INVALID" in ended.out
    assert "its numbers are not counted" in " ".join(ended.out.split())


def test_failed_runs_are_not_timed(wrecked):
    lab, _ = wrecked
    timed = lab.rows("SELECT label FROM arm JOIN run ON run.id = arm.run_id ORDER BY position")

    assert timed == [("identity",), ("shift",)]


def test_the_same_command_tries_what_failed_again_and_what_is_invalid_from_its_first_sample(lab):
    words = ("+method=failing", "method.failing.how=raise,lie")
    lab.run(*words)
    lab.log.unlink()

    assert lab.run(*words).code == 1
    assert lab.logged("answer") == [
        "answer failing 0",  # the liar again
        "answer failing 1",
        "answer failing 2",
        "answer failing 2",
    ]
    assert lab.runs() == {"identity": ("done", 4), "raise": ("failed", 2), "lie": ("invalid", 2)}

    lab.log.unlink()
    lab.run(*words, "task.samples=2")
    assert lab.logged("answer") == ["answer failing 0", "answer failing 1"]


def test_a_run_that_crashed_only_while_it_was_timed_is_done_once_it_can_be_timed(lab):
    words = ("+method=failing", "method.failing.how=timed")
    ended = lab.run(*words)
    assert ended.code == 1
    assert (
        "while it was timed: crashed with SIGSEGV" in lab.rows("SELECT reason FROM run WHERE label = 'failing'")[0][0]
    )
    answers = lab.logged("answer")

    lab.cure.touch()
    ended = lab.run(*words)

    assert ended.code == 0
    assert lab.runs() == {"identity": ("done", 4), "timed": ("done", 4)}
    assert lab.logged("answer") == answers
    assert lab.rows("SELECT count(*) FROM member WHERE study_id = 2 AND session_id IS NULL") == [(0,)]


def test_a_model_that_can_not_be_loaded_fails_its_runs_with_the_reason(lab):
    ended = lab.run("+method=shift", "model.broken=true")

    assert ended.code == 1
    assert "ValueError: the weights are gone" in ended.err
    assert lab.runs() == {"identity": ("failed", 0), "shift": ("failed", 0)}


@pytest.mark.parametrize(
    ("scoring", "words"),
    [
        ("twice", "task counting scored sample 0 under right, right; it may score it once under each of right"),
        ("raise", "task counting can't score sample 0: KeyError: 'points' ("),
    ],
)
def test_a_task_that_scores_wrongly_is_named(lab, scoring, words):
    ended = lab.run("+method=shift", f"task.scoring={scoring}")

    assert ended.code == 1
    assert words in ended.err
    assert lab.runs() == {"identity": ("failed", 0), "shift": ("failed", 0)}
    assert "Traceback" not in ended.err


def test_a_task_that_can_not_make_its_samples_is_named_before_anything_runs(lab):
    ended = lab.run("+method=shift", "task.scoring=none")

    assert ended.code == 1
    assert "Error: task counting can't make its samples: LookupError: no numbers left (" in ended.err
    assert "Traceback" not in ended.err
    assert lab.logged("answer") == []


def test_a_task_that_can_not_say_what_to_time_fails_its_own_runs_and_no_other(lab):
    ended = lab.run("+method=shift", "task.scoring=untimed,once")

    assert ended.code == 1
    assert "shift: failed: task counting can't make a timed request of sample 0: KeyError: 'size' (" in ended.err
    assert "toy_lab/__init__.py:" in ended.err
    assert "Traceback" not in ended.err
    found = lab.rows("SELECT label, status, (SELECT count(*) FROM sample WHERE run_id = run.id) FROM run ORDER BY id")
    assert sorted(found) == sorted([(name, how, 4) for name in ("identity", "shift") for how in ("failed", "done")])


def test_without_a_measure_nothing_is_timed(lab):
    ended = lab.run("+method=shift", "measure=none")

    assert ended.code == 0
    assert "nothing is timed" in ended.err
    assert "shift: " in ended.out
    assert "Cost" not in ended.out
    assert lab.rows("SELECT count(*) FROM reading") == [(0,)]
