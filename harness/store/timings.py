"""Timed values of one session, as plain numbers: light enough to read between two processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select

from harness.store import tables
from harness.store.writer import Store

Processes = Mapping[int, list[float]]  # by process, in order of samples


class Timings(NamedTuple):
    """One metric of a session, for each arm by its position."""

    unit: str
    arms: Mapping[int, Processes]

    def pair(self, one: int, other: int) -> list[tuple[list[float], list[float]]]:
        """Both arms' values in each process that both have."""
        before, after = self.arms.get(one, {}), self.arms.get(other, {})
        return [(before[process], after[process]) for process in sorted(before.keys() & after.keys())]


def timings(store: Store, session_id: int, metric: str | None = None) -> dict[str, Timings]:
    """By metric, in the order they were read; values that are unknown are left out."""
    reading = tables.reading.c
    columns = (reading.metric, reading.unit, reading.position, reading.process, reading.value)
    query = select(*columns).where(reading.session_id == session_id, reading.value.is_not(None))
    if metric is not None:
        query = query.where(reading.metric == metric)
    query = query.order_by(reading.sample.is_not(None), reading.sample, reading.id)
    found: dict[str, Timings] = {}
    with store.read() as connection:
        for row in connection.execute(query):
            arms = found.setdefault(row.metric, Timings(row.unit, {})).arms
            assert isinstance(arms, dict)
            arms.setdefault(row.position, {}).setdefault(row.process, []).append(row.value)
    return found


SELF_CHECK = "harness selfcheck"  # how the command of such a study begins


def latest_self_check(store: Store, fingerprint: str) -> int | None:
    """The newest study in which an arm was timed beside itself to the end, in the environment of this fingerprint."""
    study, member, session = tables.study.c, tables.member.c, tables.session.c
    joined = tables.study.join(tables.member, member.study_id == study.id)
    query = select(func.max(study.id)).select_from(joined.join(tables.session, session.id == member.session_id))
    query = query.where(study.command.startswith(SELF_CHECK), study.status == "done", session.status == "done")
    homes = select(tables.environment.c.id).where(tables.environment.c.fingerprint == fingerprint)
    query = query.where(session.environment_id.in_(homes))
    with store.read() as connection:
        newest: int | None = connection.scalar(query)
        return newest
