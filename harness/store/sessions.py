"""Which timed sessions can be used again, which can be continued, and which are given up.

Functions on an open connection; `Store` wraps each in a transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, distinct, func, insert, select, update

from harness.spec.identity import canonical
from harness.spec.records import Plain
from harness.store.owners import alive
from harness.store.records import Pair
from harness.store.rows import batches
from harness.store.tables import arm, reading, session

BREAK_S = 3600.0  # a session interrupted for longer is another machine by now: it is given up


def create(connection: Connection, measure: Plain, environment_id: int, run_ids: Sequence[int], owner: str) -> int:
    now = time.time()
    columns = {"measure": measure, "environment_id": environment_id, "owner": owner, "created": now, "updated": now}
    created = connection.execute(insert(session).values(status="open", **columns)).inserted_primary_key
    assert created is not None
    session_id: int = created[0]
    arms = [
        {"session_id": session_id, "position": position, "run_id": run_id} for position, run_id in enumerate(run_ids)
    ]
    connection.execute(insert(arm), arms)
    return session_id


def give_up_broken(connection: Connection) -> None:
    """Marks open sessions as abandoned when nobody has worked on them for too long."""
    limit = time.time() - BREAK_S
    quiet = connection.execute(_open().where(session.c.updated < limit)).all()
    broken = [row.id for row in quiet if not _worked_on(row)]
    connection.execute(update(session).where(session.c.id.in_(broken)).values(status="abandoned", owner=None))


def take_over(
    connection: Connection, measure: Plain, environment_id: int, run_ids: Sequence[int], owner: str
) -> int | None:
    """The newest open session with exactly these arms that nobody else works on, now `owner`'s."""
    recent = _open().where(session.c.environment_id == environment_id, session.c.updated >= time.time() - BREAK_S)
    for row in connection.execute(recent.order_by(session.c.id.desc())).all():
        free = row.owner == owner or not _worked_on(row)
        if free and canonical(row.measure) == canonical(measure) and arms(connection, row.id) == list(run_ids):
            taken = {"owner": owner, "updated": time.time()}
            connection.execute(update(session).where(session.c.id == row.id).values(taken))
            return int(row.id)
    return None


def _open() -> Any:
    columns = (session.c.id, session.c.measure, session.c.owner, session.c.updated)
    return select(*columns).where(session.c.status == "open").with_for_update()


def _worked_on(row: Row[Any]) -> bool:
    return row.owner is not None and alive(row.owner, row.updated)


def arms(connection: Connection, session_id: int) -> list[int]:
    """The run of each arm, by position."""
    query = select(arm.c.run_id).where(arm.c.session_id == session_id).order_by(arm.c.position)
    return list(connection.scalars(query))


def processes(connection: Connection, session_id: int) -> dict[int, set[int]]:
    """Processes that have finished, by position."""
    query = select(reading.c.position, reading.c.process).where(reading.c.session_id == session_id).distinct()
    done: dict[int, set[int]] = {}
    for position, process in connection.execute(query):
        done.setdefault(position, set()).add(process)
    return done


def reusable(
    connection: Connection, measure: Plain, environment_id: int, pairs: Sequence[Pair], meters: Mapping[str, int]
) -> list[int | None]:
    """For each pair the newest finished session that timed both in full, in arms of their own."""
    finished = _finished(connection, measure, environment_id, {pair.run_id for pair in pairs})
    complete = _complete_arms(connection, finished, meters)
    timed: dict[int, list[int]] = {}  # sessions of each run, newest first
    for session_id in sorted(complete, reverse=True):
        for run_id in complete[session_id]:
            timed.setdefault(run_id, []).append(session_id)
    return [next((one for one in timed.get(pair.run_id, []) if _holds(complete[one], pair)), None) for pair in pairs]


def _finished(connection: Connection, measure: Plain, environment_id: int, run_ids: Iterable[int]) -> set[int]:
    done = (session.c.status == "done") & (session.c.environment_id == environment_id)
    found: set[int] = set()
    for batch in batches(run_ids):
        holding = session.c.id.in_(select(arm.c.session_id).where(arm.c.run_id.in_(batch)))
        rows = connection.execute(select(session.c.id, session.c.measure).where(done, holding))
        found.update(row.id for row in rows if canonical(row.measure) == canonical(measure))
    return found


def _complete_arms(
    connection: Connection, session_ids: Iterable[int], meters: Mapping[str, int]
) -> dict[int, dict[int, set[int]]]:
    """By session and run, the arms that all `meters` (any, where none is named) read in as many processes as arm 0."""
    place = (reading.c.session_id, reading.c.run_id, reading.c.position)
    meter = (reading.c.meter, reading.c.meter_revision)
    counts = select(*place, *meter, func.count(distinct(reading.c.process)).label("processes"))
    complete: dict[int, dict[int, set[int]]] = {}
    for batch in batches(session_ids):
        rows = connection.execute(counts.where(reading.c.session_id.in_(batch)).group_by(*place, *meter)).all()
        wanted: dict[int, int] = {}
        for row in rows:
            if row.position == 0:
                wanted[row.session_id] = max(row.processes, wanted.get(row.session_id, 0))
        read: dict[tuple[int, int, int], set[tuple[str, int]]] = {}
        for row in rows:
            if row.processes >= wanted.get(row.session_id, 1):
                arm_of = (row.session_id, row.run_id, row.position)
                read.setdefault(arm_of, set()).add((row.meter, row.meter_revision))
        for (session_id, run_id, position), done in read.items():
            if done.issuperset(meters.items()):
                complete.setdefault(session_id, {}).setdefault(run_id, set()).add(position)
    return complete


def _holds(complete: Mapping[int, set[int]], pair: Pair) -> bool:
    """Whether the pair has two arms: a run compared with itself needs both."""
    mine = complete.get(pair.run_id, set())
    if pair.baseline_id is None:
        return bool(mine)
    theirs = complete.get(pair.baseline_id, set())
    return bool(theirs) and len(mine | theirs) >= 2
