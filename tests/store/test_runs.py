from __future__ import annotations

import socket
import time

import pytest
from sqlalchemy import update

from harness.spec.errors import UsageError
from harness.spec.records import Score, Source
from harness.store import queries, tables
from harness.store.owners import owner

DEAD = f"{socket.gethostname()}:1:1.00"
ELSEWHERE = "elsewhere:1:1.00"


def silence(store, run_id, seconds):
    with store.write() as connection:
        heard = {"heartbeat": time.time() - seconds}
        connection.execute(update(tables.run).where(tables.run.c.id == run_id).values(heard))


def test_an_environment_is_kept_once(store):
    first = store.environment("same", {"cpu": "small"})

    assert store.environment("same", {"cpu": "small"}) == first
    assert store.environment("other", {"cpu": "large"}) != first


def test_a_run_is_kept_once_per_environment(store, new_run):
    there = store.environment("there", {})

    assert new_run("a") == new_run("a")
    assert new_run("a", environment_id=there) != new_run("a")


def test_a_run_is_stored_with_its_tags_and_sources(store, reader, new_run):
    essays = Source("essays", 49, "0" * 64, split="test", note="all of them")
    run_id = new_run("a", tags=("paper", "first"), sources=(essays,))

    stored = queries.run(reader, run_id)

    assert (stored.label, stored.status, stored.planned, stored.done) == ("a", "planned", 2, 0)
    assert stored.tags == ("first", "paper")
    assert stored.sources == (essays,)
    assert (stored.fingerprint, stored.facts) == ("here", {"cpu": "small"})


def test_tags_and_sources_add_up(store, reader, new_run):
    run_id = new_run("a", tags=("first",))
    store.tag(run_id, ["first", "second"])
    store.sources(run_id, [Source("words", 10, None)])
    store.sources(run_id, [Source("words", 10, None)])

    assert queries.run(reader, run_id).tags == ("first", "second")
    assert queries.run(reader, run_id).sources == (Source("words", 10, None),)


def test_more_samples_extend_a_run_and_reopen_it(store, reader, new_run):
    run_id = new_run("a", planned=2, spec={"samples": 2})
    store.release(run_id, "done")
    new_run("a", planned=5, spec={"samples": 5})

    stored = queries.run(reader, run_id)

    assert (stored.planned, stored.status, stored.spec) == (5, "planned", {"samples": 5})


def test_fewer_samples_leave_a_run_as_it_is(store, reader, new_run):
    run_id = new_run("a", planned=5, spec={"samples": 5})
    store.release(run_id, "done")
    new_run("a", planned=2, spec={"samples": 2})

    stored = queries.run(reader, run_id)

    assert (stored.planned, stored.status, stored.spec) == (5, "done", {"samples": 5})


def test_many_runs_are_found_and_made_at_once_in_order(store, record):
    first = store.ensure_runs([record(str(number)) for number in range(1000)])
    again = store.ensure_runs([record(str(number)) for number in reversed(range(1001))])

    assert again[1:] == first[::-1]
    assert again[0] not in first


def test_a_run_named_twice_is_one_run_with_the_larger_plan(store, reader, record):
    first, second = store.ensure_runs([record("a", planned=2), record("a", planned=3)])

    assert first == second
    assert queries.run(reader, first).planned == 3


def test_a_large_seed_is_kept(reader, new_run):
    assert queries.run(reader, new_run("a", seed=2**40)).seed == 2**40


def test_numbers_that_are_not_finite_become_null_in_descriptions(reader, new_run):
    run_id = new_run("a", about={"nominal": {"ratio": float("nan"), "bits": [float("inf"), 4]}})

    assert queries.run(reader, run_id).about == {"nominal": {"ratio": None, "bits": [None, 4]}}


def test_a_free_run_is_claimed(store, reader, new_run):
    run_id = new_run()

    assert store.claim(run_id, owner()) is None
    assert (queries.run(reader, run_id).status, queries.run(reader, run_id).live) == ("running", True)


def test_a_run_is_claimed_again_by_its_owner(store, new_run):
    run_id = new_run()
    store.claim(run_id, owner())

    assert store.claim(run_id, owner()) is None


def test_a_run_with_a_live_owner_is_not_claimed(store, new_run):
    run_id = new_run()
    store.claim(run_id, owner())

    assert store.claim(run_id, ELSEWHERE) == owner()
    assert store.claim(run_id, owner()) is None


def test_a_run_of_a_dead_process_is_claimed_at_once(store, reader, new_run):
    run_id = new_run()
    store.claim(run_id, DEAD)

    assert not queries.run(reader, run_id).live
    assert store.claim(run_id, owner()) is None


def test_a_run_of_another_host_is_claimed_once_that_host_is_silent(store, new_run):
    run_id = new_run()
    store.claim(run_id, ELSEWHERE)

    assert store.claim(run_id, owner()) == ELSEWHERE
    silence(store, run_id, 130)
    assert store.claim(run_id, owner()) is None


def test_a_heartbeat_keeps_a_claim(store, new_run):
    run_id = new_run()
    store.claim(run_id, ELSEWHERE)
    silence(store, run_id, 130)

    store.heartbeat([run_id], ELSEWHERE)

    assert store.claim(run_id, owner()) == ELSEWHERE


def test_a_heartbeat_of_a_lost_claim_changes_nothing(store, new_run):
    run_id = new_run()
    store.claim(run_id, "third:1:1.00")
    silence(store, run_id, 130)

    store.heartbeat([run_id], ELSEWHERE)

    assert store.claim(run_id, owner()) is None


def test_a_released_run_is_free_and_has_its_reason(store, reader, new_run):
    run_id = new_run()
    store.claim(run_id, owner())
    store.release(run_id, "failed", "out of memory \udcff\0")

    stored = queries.run(reader, run_id)

    assert (stored.status, stored.reason, stored.live) == ("failed", "out of memory \\udcff\\0", False)
    assert store.claim(run_id, ELSEWHERE) is None


def test_a_run_taken_over_is_not_released_by_its_former_owner(store, reader, new_run):
    run_id = new_run()
    store.claim(run_id, ELSEWHERE)

    store.release(run_id, "failed", "too late", owner=owner())

    assert queries.run(reader, run_id).status == "running"


def test_a_new_claim_forgets_why_the_last_attempt_failed(store, reader, new_run):
    run_id = new_run()
    store.release(run_id, "failed", "out of memory")
    store.claim(run_id, owner())

    assert queries.run(reader, run_id).reason is None


def test_ten_thousand_finished_runs_are_recognised_within_seconds(store, record):
    records = [record(str(number), tags=("sweep",)) for number in range(10_000)]
    store.ensure_runs(records)

    began = time.process_time()
    ids = store.ensure_runs(records)
    done, read = store.progress(ids), store.meters_read(ids)

    assert time.process_time() - began < 5
    assert len(done) == len(read) == 10_000


def test_a_run_that_is_not_there_is_named(reader):
    with pytest.raises(UsageError, match=r"there is no run 7 in .*; harness ls runs lists them"):
        queries.run(reader, 7)


def test_a_run_with_every_sample_that_nobody_works_on_is_done(store, reader, new_run, sample):
    killed, timed, busy, short = (new_run(key) for key in "abcd")
    for run_id in (killed, timed, busy):
        store.add_sample(run_id, sample(0), [])
        store.add_sample(run_id, sample(1), [])
    store.add_sample(short, sample(0), [])
    store.claim(killed, DEAD)
    store.release(timed, "failed", "while it was timed")
    store.claim(busy, ELSEWHERE)
    store.release(short, "stopped")

    store.settle([killed, timed, busy, short], owner())

    statuses = [queries.run(reader, run_id).status for run_id in (killed, timed, busy, short)]
    assert statuses == ["done", "done", "running", "stopped"]
    assert queries.run(reader, timed).reason is None


def test_an_invalid_run_is_not_settled_and_begins_anew(store, reader, new_run, sample):
    run_id = new_run("a")
    for number in range(2):
        store.add_sample(run_id, sample(number), [Score("right", 1.0)])
    store.release(run_id, "invalid", "no evidence")

    store.settle([run_id], owner())

    assert queries.run(reader, run_id).status == "invalid"
    assert store.done_samples(run_id) == set()
    store.claim(run_id, owner())
    assert queries.run(reader, run_id).done == 0
    assert len(queries.scores(reader, [run_id])) == 0
