from __future__ import annotations

import socket
import time

import pytest
from sqlalchemy import update

from harness.spec.records import Reading
from harness.store import queries, tables
from harness.store.owners import owner
from harness.store.records import Pair, PassRecord

QUICK = {"name": "quick", "processes": 1}
STANDARD = {"name": "standard", "processes": 3}
DEAD = f"{socket.gethostname()}:1:1.00"
ELSEWHERE = "elsewhere:1:1.00"


def read(meter="latency", revision=1):
    return [PassRecord(meter, revision, [Reading("latency_s", 0.5, "s", "perf_counter_ns")])]


@pytest.fixture
def arms(new_run):
    return [new_run("identity"), new_run("knorm"), new_run("snapkv")]


@pytest.fixture
def timed(store, here):
    """A finished session of these arms; those left out were never read."""

    def finish(run_ids, measure=QUICK, environment_id=here, missing=(), passes=None):
        session_id = store.open_session(measure, environment_id, run_ids, owner())
        for position in range(len(run_ids)):
            for process in range(measure["processes"]):
                if (position, process) not in missing:
                    store.add_process(session_id, position, process, passes or read())
        store.close_session(session_id)
        return session_id

    return finish


def quiet(store, session_id, seconds):
    with store.write() as connection:
        heard = {"updated": time.time() - seconds}
        connection.execute(update(tables.session).where(tables.session.c.id == session_id).values(heard))


def status(reader, session_id):
    return queries.sessions(reader, [session_id])[session_id].status


def test_a_session_keeps_its_arms_in_order(store, reader, here, arms):
    session_id = store.open_session(QUICK, here, [*arms, arms[0]], owner())

    session = queries.sessions(reader, [session_id])[session_id]

    assert session.run_ids == (*arms, arms[0])
    assert (session.measure, session.status) == (QUICK, "open")


def test_a_finished_session_serves_each_of_its_arms_beside_the_baseline(store, here, arms, timed):
    identity, knorm, snapkv = arms
    session_id = timed(arms)

    pairs = [Pair(knorm, identity), Pair(snapkv, identity), Pair(identity), Pair(knorm, snapkv)]

    assert store.find_sessions(QUICK, here, pairs) == [session_id] * 4


def test_the_newest_finished_session_is_taken(store, here, arms, timed):
    timed(arms)
    newest = timed(arms[:2])

    assert store.find_session(QUICK, here, arms[1], arms[0]) == newest


def test_a_run_timed_beside_another_baseline_is_timed_again(store, here, arms, timed, new_run):
    timed(arms)

    assert store.find_session(QUICK, here, arms[1], new_run("random_eviction")) is None


def test_a_run_compared_with_itself_needs_two_arms(store, here, arms, timed):
    identity = arms[0]
    timed(arms)
    assert store.find_session(QUICK, here, identity, identity) is None

    twice = timed([identity, identity])
    assert store.find_session(QUICK, here, identity, identity) == twice


def test_another_measure_or_environment_is_another_session(store, here, arms, timed):
    timed(arms)
    there = store.environment("there", {})

    assert store.find_session({**QUICK, "processes": 2}, here, arms[1], arms[0]) is None
    assert store.find_session(QUICK, there, arms[1], arms[0]) is None


def test_an_arm_that_failed_halfway_is_timed_again(store, here, arms, timed):
    session_id = timed(arms, STANDARD, missing={(1, 2)})

    assert store.find_session(STANDARD, here, arms[1], arms[0]) is None
    assert store.find_session(STANDARD, here, arms[2], arms[0]) == session_id


def test_a_session_is_used_again_for_the_meters_it_had(store, here, arms, timed):
    session_id = timed(arms, passes=read("latency", 2) + read("energy", 1))

    assert store.find_session(QUICK, here, arms[1], arms[0], {"latency": 2}) == session_id
    assert store.find_session(QUICK, here, arms[1], arms[0], {"latency": 2, "energy": 1}) == session_id
    assert store.find_session(QUICK, here, arms[1], arms[0], {"latency": 3}) is None
    assert store.find_session(QUICK, here, arms[1], arms[0], {"latency": 2, "clocks": 1}) is None


def test_an_open_session_is_not_used_again(store, here, arms):
    session_id = store.open_session(QUICK, here, arms[:1], owner())
    store.add_process(session_id, 0, 0, read())

    assert store.find_session(QUICK, here, arms[0]) is None


def test_an_interrupted_session_continues_with_the_processes_it_lacks(store, here, arms):
    session_id = store.open_session(STANDARD, here, arms, DEAD)
    store.add_process(session_id, 0, 0, read())
    store.add_process(session_id, 1, 0, read())
    store.add_process(session_id, 0, 1, read())

    assert store.resume_session(STANDARD, here, arms, owner()) == session_id
    assert store.processes_done(session_id) == {0: {0, 1}, 1: {0}}


def test_a_session_continues_for_one_command_only(store, here, arms):
    session_id = store.open_session(QUICK, here, arms, DEAD)

    assert store.resume_session(QUICK, here, arms, owner()) == session_id
    assert store.resume_session(QUICK, here, arms, ELSEWHERE) is None
    assert store.resume_session(QUICK, here, arms, owner()) == session_id


def test_other_arms_or_another_order_do_not_continue_a_session(store, here, arms):
    store.open_session(QUICK, here, arms, DEAD)

    assert store.resume_session(QUICK, here, arms[:2], owner()) is None
    assert store.resume_session(QUICK, here, arms[::-1], owner()) is None
    assert store.resume_session(STANDARD, here, arms, owner()) is None


def test_a_session_broken_for_over_an_hour_is_abandoned(store, reader, here, arms):
    session_id = store.open_session(QUICK, here, arms, DEAD)
    store.add_process(session_id, 0, 0, read())
    quiet(store, session_id, 3700)

    assert store.resume_session(QUICK, here, arms, owner()) is None
    assert status(reader, session_id) == "abandoned"
    assert queries.readings(reader, arms, settled=False).empty


def test_a_session_broken_for_less_than_an_hour_continues(store, here, arms):
    session_id = store.open_session(QUICK, here, arms, DEAD)
    quiet(store, session_id, 3500)

    assert store.resume_session(QUICK, here, arms, owner()) == session_id


def test_a_long_process_of_a_live_command_is_not_abandoned(store, reader, here, arms):
    session_id = store.open_session(QUICK, here, arms, owner())
    quiet(store, session_id, 7200)

    store.resume_session(QUICK, here, arms, ELSEWHERE)

    assert status(reader, session_id) == "open"


def test_a_heartbeat_keeps_the_session_of_another_host(store, here, arms):
    session_id = store.open_session(QUICK, here, arms, ELSEWHERE)
    quiet(store, session_id, 130)
    store.heartbeat([], ELSEWHERE, session_id)

    assert store.resume_session(QUICK, here, arms, owner()) is None
    quiet(store, session_id, 130)
    assert store.resume_session(QUICK, here, arms, owner()) == session_id
