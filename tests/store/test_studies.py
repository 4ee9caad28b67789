from __future__ import annotations

import pytest

from harness.spec.errors import UsageError
from harness.store import queries
from harness.store.owners import owner
from harness.store.queries import Member
from harness.store.records import MemberRecord


def test_a_study_keeps_its_members_in_order(store, reader, new_run, here):
    identity, knorm = new_run("identity"), new_run("knorm")
    session_id = store.open_session({"name": "quick"}, here, [identity, knorm], owner())
    members = [MemberRecord(identity, "baseline"), MemberRecord(knorm, "method", identity, quality=False)]
    study_id = store.open_study("harness run +method=knorm", "quick", members)
    store.set_member_sessions(study_id, {1: session_id})

    assert queries.members(reader, study_id) == [
        Member(0, identity, "baseline", None, None, True),
        Member(1, knorm, "method", identity, session_id, False),
    ]


def test_the_study_last_worked_on_is_the_latest(store, reader):
    assert queries.latest_study(reader) is None
    first = store.open_study("harness run +method=knorm", "quick", [])
    second = store.open_study("harness run +method=xkv", "standard", [])
    assert queries.latest_study(reader).id == second

    store.close_study(first, "done")

    latest = queries.latest_study(reader)
    assert (latest.id, latest.command, latest.measure, latest.status) == (
        first,
        "harness run +method=knorm",
        "quick",
        "done",
    )
    assert queries.studies(reader)["id"].tolist() == [first, second]
    assert queries.studies(reader, limit=1)["id"].tolist() == [first]


def test_studies_know_how_many_members_they_have(store, reader, new_run):
    store.open_study("harness run", "quick", [MemberRecord(new_run("a"), "baseline"), MemberRecord(1, "control")])

    assert queries.studies(reader)["members"].tolist() == [2]


def test_a_study_that_is_not_there_is_named(reader):
    with pytest.raises(UsageError, match=r"there is no study 7 in .*; harness compare alone shows the latest"):
        queries.study(reader, 7)


def test_a_study_lives_while_a_command_works_on_a_run_or_times_it(store, reader, new_run, here):
    first, second = new_run("a"), new_run("b")
    for run_id in (first, second):
        store.open_study("harness run", "quick", [MemberRecord(run_id, "baseline")])
    assert queries.studies(reader)["live"].tolist() == [False, False]

    store.claim(first, owner())
    assert queries.studies(reader)["live"].tolist() == [False, True]

    session_id = store.open_session({"name": "quick"}, here, [second], owner())
    assert queries.studies(reader)["live"].tolist() == [True, True]

    store.close_session(session_id)
    store.release(first, "done")
    assert queries.studies(reader)["live"].tolist() == [False, False]
