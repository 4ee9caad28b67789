"""Who works on a run or a session, and whether that process still lives."""

from __future__ import annotations

import os
import socket
import time
from functools import cache

SILENCE_S = 120.0  # a process of another host that has been silent for longer is taken for dead
# The start of a process is told by the system's clock, which is corrected now and then.
CLOCK_S = 2.0


def owner() -> str:
    """This process: `host:pid:start`. The start keeps a process that reuses the number apart."""
    return _owner(os.getpid())


@cache
def _owner(pid: int) -> str:
    import psutil

    return f"{socket.gethostname()}:{pid}:{psutil.Process(pid).create_time():.2f}"


def alive(owner: str, heartbeat: float | None) -> bool:
    """Whether the process is there; of another host, whether it was heard of lately."""
    host, pid, start = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return heartbeat is not None and time.time() - heartbeat <= SILENCE_S
    return _runs(int(pid), float(start))


def _runs(pid: int, start: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - start) <= CLOCK_S
    except psutil.NoSuchProcess:
        return False
