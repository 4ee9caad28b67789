"""A store whose disk runs full: one sentence, and nothing lost once there is room."""

import os
import resource
import subprocess

import pytest

ROOM = 400_000  # bytes: the tables, and a few samples


@pytest.fixture
def small_disk(lab):
    """The lab's store on a file system with little room; what is given back makes more."""
    place = lab.root / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    lab.store = place / "store.sqlite"
    yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_ends_the_command_with_a_sentence_and_loses_nothing(lab, small_disk, goes_on, sweep, monkeypatch):
    monkeypatch.setenv("HARNESS_STORE", str(lab.store))

    ended = lab.run(*sweep)

    assert ended.code == 1
    assert f"Error: the disk of store {lab.store} is full: make room, then give the same command again" in ended.err
    assert "Traceback" not in ended.err

    small_disk()
    assert lab.is_sound()
    goes_on()


@pytest.mark.parametrize("room", [100_000, 300_000])
def test_a_file_that_may_not_grow_ends_the_command_with_a_sentence_and_loses_nothing(lab, goes_on, sweep, room):
    command = lab.start_run(*sweep)
    resource.prlimit(command.pid, resource.RLIMIT_FSIZE, (room, room))
    _, err = command.communicate(timeout=120)

    assert command.returncode == 1, err
    assert f"Error: store {lab.store} can't be read or written" in err
    assert "Traceback" not in err
    goes_on()
