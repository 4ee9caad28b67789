"""Doing finished work again, without losing what was there."""

from harness.store.writer import open_store


def test_a_rerun_does_everything_again_as_new_runs(lab):
    lab.run("+method=shift", "task.samples=2")
    first = lab.harness("compare", "1").out
    assert lab.run("+method=shift", "task.samples=2", "--rerun").code == 0

    assert len(lab.logged("answer")) == 8
    assert lab.rows("SELECT id, status FROM run ORDER BY id") == [(number, "done") for number in (1, 2, 3, 4)]
    assert lab.rows("SELECT run_id FROM tag WHERE tag = 'superseded' ORDER BY run_id") == [(1,), (2,)]
    assert lab.rows("SELECT count(DISTINCT session_id) FROM member") == [(2,)]
    assert lab.harness("compare", "1").out == first
    assert lab.harness("compare", "2", "4").code == 0


def test_after_a_rerun_the_same_command_goes_on_from_it(lab):
    lab.run("+method=shift", "task.samples=2")
    lab.run("+method=shift", "task.samples=2", "--rerun")
    ended = lab.run("+method=shift", "task.samples=2")

    assert "4 samples, 4 done" in ended.err
    assert len(lab.logged("answer")) == 8
    assert lab.rows("SELECT DISTINCT run_id FROM member WHERE study_id = 3 ORDER BY run_id") == [(3,), (4,)]


def test_a_rerun_of_what_was_never_run_is_a_run(lab):
    assert lab.run("+method=shift", "task.samples=2", "--rerun").code == 0
    assert lab.rows("SELECT count(*) FROM tag") == [(0,)]


def test_what_another_command_works_on_is_not_taken_away(lab):
    lab.run("+method=shift", "task.samples=2")
    with open_store(f"sqlite:///{lab.store}", create=True) as store:
        from harness.store.owners import owner

        store.claim(2, owner())
    ended = lab.run("+method=shift", "task.samples=2", "--rerun")

    assert ended.code == 2
    assert "another command works on run 2 (shift)" in ended.err
    assert lab.rows("SELECT count(*) FROM run") == [(2,)]
    assert lab.rows("SELECT count(*) FROM tag") == [(0,)]


def test_the_table_is_made_ready_while_a_worker_loads_that_is_not_timed(lab, monkeypatch):
    made_ready = []
    monkeypatch.setattr("harness.cli.run.prepare_table", lambda: made_ready.append(len(lab.logged("respond"))))
    lab.run("+method=shift", "task.samples=1")
    lab.run("+method=shift", "task.samples=1")

    assert made_ready == [0]  # once, before any request; not where only the store is read
