"""A command, or its worker, stopped in every way again and again, at moments drawn by lot."""

import random
import signal
import time

import psutil
import pytest

KILLS = 3
ENDS = {  # of a worker, and what is said of it; the system's answer to too little memory is SIGKILL
    signal.SIGKILL: "killed by the system (SIGKILL), most likely for memory",
    signal.SIGSEGV: "crashed with SIGSEGV",
    signal.SIGABRT: "crashed with SIGABRT",
    signal.SIGSTOP: "hung: no progress in 3 s",
}


def workers(command):
    try:
        return [child for child in psutil.Process(command.pid).children() if "harness.engine.worker" in child.cmdline()]
    except psutil.NoSuchProcess:
        return []


def wait_for_work(lab, command, lines):
    """Until so many more requests were answered, or the command ended."""
    enough = len(lab.logged("")) + lines
    deadline = time.monotonic() + 120
    while command.poll() is None and len(lab.logged("")) < enough:
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.002)


@pytest.mark.parametrize("seed", range(2))
def test_a_command_killed_at_random_moments_goes_on_to_what_it_would_have_been(lab, goes_on, sweep, seed):
    lot = random.Random(f"command {seed}")
    for _ in range(KILLS):
        command = lab.start_run(*sweep)
        wait_for_work(lab, command, lot.randrange(1, 40))
        time.sleep(lot.uniform(0, 0.05))
        command.kill()
        command.communicate(timeout=120)
        assert lab.is_sound()

    goes_on()


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_a_worker_that_ends_at_a_random_moment_is_explained_and_its_work_done_later(lab, goes_on, sweep, end):
    lot = random.Random(end.name)
    command = lab.start_run(*sweep, "worker.timeout=3")
    wait_for_work(lab, command, lot.randrange(1, 40))
    for process in workers(command):
        process.send_signal(end)
    _, err = command.communicate(timeout=120)

    assert "Traceback" not in err
    assert command.returncode in (0, 1), err
    if command.returncode == 1:  # else it ended between two requests, where nobody was to blame, and went on
        assert ENDS[end] in err
    assert lab.is_sound()
    goes_on()
