"""Commands of their own on one store at once, one of them killed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

from harness.store import queries
from harness.store.owners import owner
from harness.store.writer import open_store

COMMAND = """
import sys
from harness.spec.records import Reading, Score
from harness.store.owners import owner
from harness.store.records import RunRecord, SampleRecord
from harness.store.writer import open_store

url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open_store(url, create=True) as store:
    here = store.environment("here", {})
    about = {"spec": {}, "identity": {}, "about": {}, "planned": last}
    run_id = store.ensure_run(RunRecord("a", here, "knorm", "ruler", "smollm2", "cpu", 0, **about))
    store.claim(run_id, owner())
    store.add_readings(run_id, "memory", 1, [Reading("peak_bytes", 1.0, "B", "torch")])
    for number in range(first, last):
        record = SampleRecord(number, "all", f"hash-{number}", {}, "seven" * 1000, prompt="What is it?" * 1000)
        store.add_sample(run_id, record, [Score("match", 1.0), Score("length", 5.0)])
        print(number, flush=True)
"""


@contextmanager
def started(url, first, last):
    arguments = [sys.executable, "-W", "error", "-c", COMMAND, url, str(first), str(last)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        try:
            yield command
        finally:
            command.kill()


def test_two_commands_write_one_run_at_once(url):
    with started(url, 0, 200) as first, started(url, 100, 300) as second:
        assert [first.communicate(timeout=120)[1], second.communicate(timeout=120)[1]] == ["", ""]

    with open_store(url) as reader:
        assert reader.done_samples(1) == set(range(300))
        assert len(queries.scores(reader, [1])) == 600
        assert len(queries.readings(reader, [1])) == 1


EIGHTH = """
import sys
from harness.spec.records import Reading, Score
from harness.store.owners import owner
from harness.store.records import MemberRecord, PassRecord, RunRecord, SampleRecord
from harness.store.writer import open_store

url, mine = sys.argv[1:]
about = {"spec": {}, "identity": {}, "about": {}, "planned": 20}
with open_store(url, create=True) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    here = store.environment("here", {})
    records = [RunRecord(key, here, "knorm", "ruler", "smollm2", "cpu", 0, **about) for key in ("all", mine)]
    ids = store.ensure_runs(records)
    study = store.open_study(mine, "quick", [MemberRecord(ids[1], "baseline")])
    store.claim(ids[1], owner())
    for number in range(20):
        for run_id in ids:
            store.add_sample(run_id, SampleRecord(number, "all", f"hash-{number}", {}, mine), [Score("match", 1.0)])
        store.heartbeat(ids, owner())
    session = store.open_session({}, here, ids, owner())
    store.add_process(session, 0, 0, [PassRecord("latency", 1, [Reading("latency_s", 1.0, "s", "clock")])])
    store.close_session(session)
    store.release(ids[1], "done")
    store.settle(ids, owner())
    store.close_study(study, "done")
"""


def test_eight_processes_write_one_store_without_an_error(url):
    open_store(url, create=True).close()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", EIGHTH, url, str(one)], **pipes) for one in "12345678"
    ]
    for process in writers:
        process.stdout.readline()
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()

    assert [process.communicate(timeout=120)[1] for process in writers] == [""] * 8
    assert {process.returncode for process in writers} == {0}
    with open_store(url) as reader:
        runs = queries.runs(reader)
        assert len(runs) == 9
        assert set(runs["done"]) == {20}
        assert set(runs["status"]) == {"done"}
        assert len(queries.scores(reader, runs["id"].tolist())) == 9 * 20
        assert len(queries.readings(reader, runs["id"].tolist())) == 8
        assert set(queries.studies(reader)["status"]) == {"done"}


def test_a_killed_command_loses_at_most_the_sample_in_flight(url):
    with started(url, 0, 100_000) as command:
        printed = [int(command.stdout.readline()) for _ in range(50)]
        command.kill()
        printed += [int(line) for line in command.communicate()[0].splitlines()]

    with open_store(url, create=True) as store:
        assert store.done_samples(1) in (set(printed), {*printed, len(printed)})
        assert len(queries.scores(store, [1])) == 2 * len(store.done_samples(1))
        assert not queries.run(store, 1).live
        assert store.claim(1, owner()) is None
        if store.place.path:
            with store.read() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_results_are_read_while_they_are_written(url):
    counts = []
    with started(url, 0, 100_000) as command:
        for _ in range(20):
            last = int(command.stdout.readline())
            with open_store(url) as reader:
                counts.append(len(queries.scores(reader, [1])))
            assert counts[-1] >= 2 * (last + 1)

    assert counts == sorted(counts)
    assert all(count % 2 == 0 for count in counts)
