"""A command, or its worker, killed again and again at moments drawn by lot."""

import random
import time

import psutil
import pytest

KILLS = 3


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
@pytest.mark.parametrize("victim", ["command", "worker"])
def test_what_is_killed_at_random_moments_goes_on_to_what_it_would_have_been(lab, goes_on, sweep, victim, seed):
    lot = random.Random(f"{victim} {seed}")
    for _ in range(KILLS):
        command = lab.start_run(*sweep)
        wait_for_work(lab, command, lot.randrange(1, 40))
        time.sleep(lot.uniform(0, 0.05))
        for process in [command] if victim == "command" else workers(command):
            process.kill()
        _, err = command.communicate(timeout=120)

        assert "Traceback" not in err
        if victim == "worker":
            assert command.returncode in (0, 1), err
            assert command.returncode == 0 or "killed by the system (SIGKILL)" in err
        assert lab.is_sound()

    goes_on()
