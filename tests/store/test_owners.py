from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

from harness.store.owners import alive, owner


def test_this_process_is_alive():
    assert alive(owner(), heartbeat=None)


def test_an_owner_names_host_process_and_start():
    host, pid, start = owner().rsplit(":", 2)

    assert (host, pid) == (socket.gethostname(), str(os.getpid()))
    assert float(start) < time.time()


def test_a_reused_process_number_is_not_taken_for_its_first_bearer():
    assert not alive(f"{socket.gethostname()}:{os.getpid()}:1000.00", heartbeat=time.time())


def test_a_killed_process_is_dead_before_its_parent_has_noticed():
    code = "from harness.store.owners import owner; print(owner(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    name = child.stdout.readline().strip()
    assert alive(name, heartbeat=None)

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not alive(name, heartbeat=time.time())
    child.communicate()


def test_a_process_of_another_host_lives_as_long_as_it_is_heard_of():
    assert alive("elsewhere:1:1.00", heartbeat=time.time() - 110)
    assert not alive("elsewhere:1:1.00", heartbeat=time.time() - 130)
    assert not alive("elsewhere:1:1.00", heartbeat=None)
