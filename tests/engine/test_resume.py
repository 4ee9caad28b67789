"""What is done is not done again, however a command ended."""

import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest

SLOW = ("model.pause=0.02",)


def wait_until(true, patience_s=20.0):
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def twice(lines):
    return sorted(line for line in set(lines) if lines.count(line) > 1)


def test_a_run_ends_with_scores_costs_and_a_comparison(lab):
    ended = lab.run("+method=shift")

    assert ended.code == 0
    assert "shift" in ended.out
    assert lab.runs() == {"identity": ("done", 4), "shift": ("done", 4)}
    assert lab.rows("SELECT avg(value) FROM score GROUP BY run_id ORDER BY run_id") == [(1.0,), (0.5,)]
    assert lab.rows("SELECT status FROM study") == [("done",)]
    timed = "SELECT count(*) FROM reading WHERE metric = 'latency_s' AND session_id IS NOT NULL"
    assert lab.rows(timed) == [(4,)]


def test_the_same_command_again_executes_nothing(lab):
    lab.run("+method=shift")
    before, results = lab.log.read_text(), lab.results()

    ended = lab.run("+method=shift")

    assert ended.code == 0
    assert lab.log.read_text() == before
    assert lab.results() == results
    assert "shift" in ended.out


def test_asking_for_more_samples_executes_only_those(lab):
    lab.run("+method=shift", "task.samples=2")

    lab.run("+method=shift", "task.samples=5")

    assert sorted(lab.logged("answer")) == sorted(
        f"answer {name} {number}" for name in ("identity", "shift") for number in range(5)
    )
    assert lab.runs() == {"identity": ("done", 5), "shift": ("done", 5)}


def test_asking_for_fewer_samples_executes_nothing(lab):
    lab.run("+method=shift", "task.samples=5")
    before = lab.log.read_text()

    ended = lab.run("+method=shift", "task.samples=2")

    assert ended.code == 0
    assert "Quality: 4 samples, 4 done." in ended.err
    assert lab.log.read_text() == before


@pytest.fixture
def undisturbed(lab, tmp_path):
    """The results of a sweep that nothing disturbed; the lab is fresh afterwards."""
    assert lab.run("+method=shift", "task.samples=8").code == 0
    results = lab.results()
    for path in lab.store.parent.glob("store.sqlite*"):
        path.unlink()
    lab.log.unlink()
    return results


@pytest.mark.parametrize("seed", range(2))
def test_a_command_killed_at_any_moment_goes_on_to_the_same_results(lab, undisturbed, seed):
    words = ("+method=shift", "task.samples=8", *SLOW)
    after = random.Random(seed).randrange(1, 15)
    process = lab.start_run(*words)
    wait_until(lambda: len(lab.logged("answer")) >= after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "stopped" in lab.harness("ls", "studies").out

    ended = lab.run(*words)

    assert ended.code == 0
    assert lab.results() == undisturbed
    assert lab.is_sound()
    answers = lab.logged("answer")
    assert len(answers) < 2 * 16
    for name in ("identity", "shift"):
        assert len(twice([line for line in answers if name in line])) <= 1
    assert lab.runs() == {"identity": ("done", 8), "shift": ("done", 8)}


def test_a_command_killed_while_it_times_keeps_whole_processes_and_goes_on_in_the_session(lab):
    words = ("+method=shift", "model.pause=0.05", "measure.processes=2")
    process = lab.start_run(*words)
    wait_until(
        lambda: lab.store.exists() and lab.logged("answer") and lab.rows("SELECT 1 FROM reading WHERE process = 0")
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = lab.rows("SELECT id FROM reading WHERE session_id IS NOT NULL")

    ended = lab.run(*words)

    assert ended.code == 0
    assert lab.rows("SELECT id, status FROM session") == [(1, "done")]
    whole = lab.rows("SELECT position, process, count(*) FROM reading WHERE metric = 'latency_s' GROUP BY 1, 2")
    assert whole == [(0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2)]
    assert set(kept) <= set(lab.rows("SELECT id FROM reading"))


def test_a_command_killed_before_it_called_a_run_done_calls_it_done_next_time(lab):
    lab.run("+method=shift")
    with closing(sqlite3.connect(lab.store)) as connection, connection:
        connection.execute("UPDATE run SET status = 'running', owner = 'elsewhere:1:0.0', heartbeat = 0")

    lab.run("+method=shift")

    assert lab.runs() == {"identity": ("done", 4), "shift": ("done", 4)}
    assert len(lab.logged("answer")) == 8


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(lab):
    process = lab.start_run("+method=shift", "task.samples=50", "model.pause=0.05")
    wait_until(lambda: len(lab.logged("answer")) >= 5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "Stopped." in err
    assert "harness run +method=shift task.samples=50" in err
    assert "Traceback" not in err
    assert {status for status, _ in lab.runs().values()} == {"stopped"}
    assert lab.rows("SELECT status FROM study") == [("stopped",)]
    assert lab.is_sound()


def test_two_commands_at_once_lose_and_double_no_sample(lab):
    words = ("+method=shift", "task.samples=12", *SLOW)
    both = [lab.start_run(*words) for _ in range(2)]
    ended = [process.communicate(timeout=60) for process in both]

    assert [process.returncode for process in both] == [0, 0], ended
    assert twice(lab.logged("answer")) == []
    assert lab.runs() == {"identity": ("done", 12), "shift": ("done", 12)}
    assert all("shift" in out for out, _ in ended)
    assert lab.is_sound()


def test_runs_of_two_seeds_share_nothing_but_the_command(lab):
    assert lab.run("+method=shift", "seed=0,1", "task.samples=2").code == 0

    assert sorted(lab.logged("answer")) == sorted(
        f"answer {name} {number}" for name in ("identity", "shift") for number in (0, 1) for _ in range(2)
    )
    assert lab.rows("SELECT seed, count(*) FROM run GROUP BY seed") == [(0, 2), (1, 2)]
    assert lab.rows("SELECT count(*) FROM session WHERE status = 'done'") == [(2,)]


def test_a_run_that_another_command_left_undone_is_done_by_the_one_that_waited(lab):
    words = ("+method=shift", "task.samples=6", "model.pause=0.05")
    first = lab.start_run(*words)
    wait_until(lambda: len(lab.logged("answer")) >= 3)
    first.send_signal(signal.SIGSTOP)  # it lives, and gets no further
    second = lab.start_run(*words)
    said = ""
    while "Waiting for another command that works on identity, shift." not in said:
        said = second.stderr.readline()
        assert said
    first.kill()
    first.communicate()
    _, err = second.communicate(timeout=40)

    assert second.returncode == 0, err
    assert lab.runs() == {"identity": ("done", 6), "shift": ("done", 6)}
    assert len(twice(lab.logged("answer"))) <= 2
