"""The database of record: everything a command keeps goes through `Store`, one short transaction a method.

Several commands may write one store at once: what is there already is kept, and nothing is written twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, bindparam, case, delete, exists, func, insert, select, update

from harness.spec.errors import StoreError, UsageError
from harness.spec.identity import digest
from harness.spec.records import Plain, Reading, Score, Source
from harness.store import sessions
from harness.store.connect import Place, connect, explained
from harness.store.owners import alive
from harness.store.records import (
    MemberRecord,
    Pair,
    PassRecord,
    RunRecord,
    RunStatus,
    SampleRecord,
    SessionStatus,
    StudyStatus,
)
from harness.store.rows import add, add_one, batches, known
from harness.store.schema import SCHEMA, look, read_while_written, upgrade
from harness.store.tables import (
    arm,
    comparison,
    environment,
    member,
    prompt,
    reading,
    run,
    sample,
    score,
    session,
    source,
    study,
    tag,
)

SUPERSEDED = "superseded"  # tag of a run whose work was asked for again


def open_store(url: str, create: bool = False) -> Store:
    """The store at `url`, brought to this version's schema.

    With `create` it can be written and is made if missing; without, it is only read.

    Raises:
        StoreError: missing or empty without `create`; written by a newer harness; another program's; damaged;
            locked; out of reach. What can't be used is left as it is.
    """
    place = Place.parse(url)
    with explained(place):
        schema = look(place)
        if schema is None and not create:
            raise StoreError(
                f"there are no results in {place} yet: harness run +method=NAME task=NAME makes some, "
                f"and store.url= names another store"
            )
        if schema != SCHEMA:
            if place.path:
                place.path.parent.mkdir(parents=True, exist_ok=True)
            upgrade(place)
        if create and place.path:
            read_while_written(place.path)
    return Store(place, connect(place, "rw" if create else "ro"))


class Store:
    """An open store. See `open_store`."""

    def __init__(self, place: Place, engine: Engine) -> None:
        self.place = place
        self._engine = engine
        self._writer = engine.execution_options(begin="IMMEDIATE")

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the store."""
        with explained(self.place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, kept whole or not at all."""
        with explained(self.place), self._writer.begin() as connection:
            yield connection

    # Runs

    def environment(self, fingerprint: str, facts: dict[str, Plain]) -> int:
        """The id of an environment, stored when it is new."""
        with self.write() as connection:
            add(connection, environment, [{"fingerprint": fingerprint, "facts": facts}])
            query = select(environment.c.id).where(environment.c.fingerprint == fingerprint)
            return int(connection.execute(query).scalar_one())

    def ensure_run(self, record: RunRecord) -> int:
        return self.ensure_runs([record])[0]

    def ensure_runs(self, records: Sequence[RunRecord]) -> list[int]:
        """The ids of runs, stored when they are new; tags and sources are added to those that are there.

        Else a run keeps what it has. Where more samples are planned now, it takes the plan, the
        spec and the description that go with them, and is no longer done.
        """
        with self.write() as connection:
            runs = _stored_runs(connection, records)
            fresh = [_run_row(record) for record in records if _key(record) not in runs]
            if fresh:
                add(connection, run, fresh)
                runs = _stored_runs(connection, records)
            for record in records:
                if runs[_key(record)].planned < record.planned:
                    _plan_more(connection, record)
            ids: list[int] = [runs[_key(record)].id for record in records]
            pairs = list(zip(ids, records, strict=True))
            add(connection, tag, (_tag_row(run_id, one) for run_id, record in pairs for one in record.tags))
            add(connection, source, (_source_row(run_id, one) for run_id, record in pairs for one in record.sources))
            return ids

    def set_aside(self, keys: Sequence[str], environment_id: int) -> list[int]:
        """Takes their key from runs that hold samples, so that they are done anew; returns their ids.

        They keep everything else, get the tag `superseded`, and stay in the studies that show them.

        Raises:
            UsageError: another command works on one of them.
        """
        query = select(run.c.id, run.c.key, run.c.label, run.c.owner, run.c.heartbeat).with_for_update()
        query = query.where(run.c.environment_id == environment_id, exists().where(sample.c.run_id == run.c.id))
        with self.write() as connection:
            rows = [row for some in batches(keys) for row in connection.execute(query.where(run.c.key.in_(some)))]
            for row in rows:
                if row.owner is not None and alive(row.owner, row.heartbeat):
                    raise UsageError(
                        f"another command works on run {row.id} ({row.label}): let it end, then do the work again"
                    )
                given_up = update(run).where(run.c.id == row.id).values(key=digest([row.key, row.id]))
                connection.execute(given_up)
            add(connection, tag, [_tag_row(row.id, SUPERSEDED) for row in rows])
        return [row.id for row in rows]

    def tag(self, run_id: int, tags: Iterable[str]) -> None:
        with self.write() as connection:
            add(connection, tag, (_tag_row(run_id, one) for one in tags))

    def sources(self, run_id: int, sources: Iterable[Source]) -> None:
        with self.write() as connection:
            add(connection, source, (_source_row(run_id, one) for one in sources))

    def claim(self, run_id: int, owner: str) -> str | None:
        """Makes `owner` the one who works on a run, and the run `running`; else returns the live one who does.

        An invalid run begins anew, without what it answered.
        """
        with self.write() as connection:
            query = select(run.c.owner, run.c.heartbeat, run.c.status).where(run.c.id == run_id).with_for_update()
            row = connection.execute(query).one()
            if row.owner not in (None, owner) and alive(row.owner, row.heartbeat):
                return str(row.owner)
            if row.status == "invalid":
                connection.execute(delete(score).where(score.c.run_id == run_id))
                connection.execute(delete(sample).where(sample.c.run_id == run_id))
            now = time.time()
            taken = {"owner": owner, "heartbeat": now, "status": "running", "reason": None, "updated": now}
            connection.execute(update(run).where(run.c.id == run_id).values(taken))
            return None

    def heartbeat(self, run_ids: Iterable[int], owner: str, session_id: int | None = None) -> None:
        """Says that `owner` still lives; what another has taken over is left alone."""
        now = time.time()
        with self.write() as connection:
            for batch in batches(run_ids):
                mine = run.c.id.in_(batch) & (run.c.owner == owner)
                connection.execute(update(run).where(mine).values(heartbeat=now))
            if session_id is not None:
                mine = (session.c.id == session_id) & (session.c.owner == owner)
                connection.execute(update(session).where(mine).values(updated=now))

    def release(self, run_id: int, status: RunStatus, reason: str | None = None, *, owner: str | None = None) -> None:
        """Ends the work on a run. With `owner`, a run that another has taken over meanwhile is left alone."""
        mine = run.c.id == run_id
        if owner is not None:
            mine &= (run.c.owner == owner) | run.c.owner.is_(None)
        ended = {"status": status, "reason": reason, "owner": None, "heartbeat": None}
        with self.write() as connection:
            connection.execute(update(run).where(mine).values(updated=time.time(), **ended))

    def settle(self, run_ids: Iterable[int], owner: str) -> None:
        """Runs with every sample are done, unless another works on them.

        The command that made them so may have been killed before it said so, or have failed while it timed them.
        """
        had = select(func.count()).where(sample.c.run_id == run.c.id).scalar_subquery()
        with self.write() as connection:
            for batch in batches(run_ids):
                whole = run.c.id.in_(batch) & run.c.status.not_in(("done", "invalid")) & (had >= run.c.planned)
                rows = connection.execute(select(run.c.id, run.c.owner, run.c.heartbeat).where(whole)).all()
                free = [row.id for row in rows if row.owner in (None, owner) or not alive(row.owner, row.heartbeat)]
                ended = {"status": "done", "reason": None, "owner": None, "heartbeat": None, "updated": time.time()}
                connection.execute(update(run).where(run.c.id.in_(free)).values(ended))

    # Samples

    def add_sample(self, run_id: int, record: SampleRecord, scores: Iterable[Score]) -> None:
        """Stores a sample with its scores; one that is there already stays as it is."""
        now = time.time()
        row = {**asdict(record), "run_id": run_id, "created": now}
        text = row.pop("prompt")
        with self.write() as connection:
            if not add_one(connection, sample, row):
                return
            if text:
                add(connection, prompt, [{"hash": record.prompt_hash, "text": text}])
            columns = {"run_id": run_id, "number": record.number}
            rows = [{**columns, "metric": one.metric, **known(one.value, one.reason)} for one in scores]
            if rows:
                connection.execute(insert(score), rows)
            connection.execute(update(run).where(run.c.id == run_id).values(updated=now))

    def done_samples(self, run_id: int) -> set[int]:
        """Samples that need not be done again: of an invalid run, none."""
        counts = (sample.c.run_id == run_id) & (run.c.status != "invalid")
        with self.read() as connection:
            return set(connection.scalars(select(sample.c.number).join(run).where(counts)))

    def done_by_run(self, run_ids: Iterable[int]) -> dict[int, set[int]]:
        """As `done_samples`, of many runs: those without a gap are told from their count."""
        done: dict[int, set[int]] = {run_id: set() for run_id in run_ids}
        counted = select(sample.c.run_id, func.count(), func.max(sample.c.number)).group_by(sample.c.run_id)
        query = counted.join(run).where(run.c.status != "invalid")
        with self.read() as connection:
            for batch in batches(done):
                for run_id, count, last in connection.execute(query.where(sample.c.run_id.in_(batch))).all():
                    done[run_id] = set(range(count)) if last == count - 1 else self.done_samples(run_id)
        return done

    def progress(self, run_ids: Iterable[int]) -> dict[int, int]:
        """How many samples of each run are done."""
        done = dict.fromkeys(run_ids, 0)
        with self.read() as connection:
            for batch in batches(done):
                counts = select(sample.c.run_id, func.count()).where(sample.c.run_id.in_(batch))
                done.update((row[0], row[1]) for row in connection.execute(counts.group_by(sample.c.run_id)))
        return done

    # Readings

    def add_readings(
        self,
        run_id: int,
        meter: str,
        meter_revision: int,
        readings: Sequence[Reading],
        session_id: int | None = None,
        position: int | None = None,
        process: int | None = None,
    ) -> None:
        """Stores what one meter read, at once; readings of the same pass that are there already stay instead."""
        one = PassRecord(meter, meter_revision, readings)
        columns = {"run_id": run_id, "session_id": session_id, "position": position, "process": process}
        same_pass = (reading.c.meter == meter, reading.c.meter_revision == meter_revision)
        with self.write() as connection:
            _add_passes(connection, [one], columns, same_pass)

    def add_process(self, session_id: int, position: int, process: int, passes: Sequence[PassRecord]) -> None:
        """Stores all that the meters read in one process of an arm, at once; a process already there stays instead."""
        with self.write() as connection:
            holds = (arm.c.session_id == session_id) & (arm.c.position == position)
            run_id = connection.execute(select(arm.c.run_id).where(holds)).scalar_one()
            columns = {"run_id": run_id, "session_id": session_id, "position": position, "process": process}
            _add_passes(connection, passes, columns, ())

    def has_readings(self, run_id: int, meter: str, revision: int) -> bool:
        """Whether an untimed meter has read a run."""
        return (meter, revision) in self.meters_read([run_id])[run_id]

    def meters_read(self, run_ids: Iterable[int]) -> dict[int, set[tuple[str, int]]]:
        """Which untimed meters, and which revision of each, have read each run."""
        read: dict[int, set[tuple[str, int]]] = {run_id: set() for run_id in run_ids}
        columns = (reading.c.run_id, reading.c.meter, reading.c.meter_revision)
        with self.read() as connection:
            for batch in batches(read):
                untimed = reading.c.run_id.in_(batch) & reading.c.session_id.is_(None)
                for run_id, meter, revision in connection.execute(select(*columns).where(untimed).distinct()):
                    read[run_id].add((meter, revision))
        return read

    # Sessions

    def open_session(self, measure: Plain, environment_id: int, run_ids: Sequence[int], owner: str) -> int:
        """A new session, its arms in this order, the baseline first."""
        with self.write() as connection:
            return sessions.create(connection, measure, environment_id, run_ids, owner)

    def resume_session(self, measure: Plain, environment_id: int, run_ids: Sequence[int], owner: str) -> int | None:
        """An interrupted session with exactly these arms, now `owner`'s, if it was broken off less than an hour ago.

        Sessions broken for longer, whatever their arms, are marked abandoned; their readings are never shown.
        """
        with self.write() as connection:
            sessions.give_up_broken(connection)
            return sessions.take_over(connection, measure, environment_id, run_ids, owner)

    def find_session(
        self,
        measure: Plain,
        environment_id: int,
        run_id: int,
        baseline_id: int | None = None,
        meters: Mapping[str, int] | None = None,
    ) -> int | None:
        return self.find_sessions(measure, environment_id, [Pair(run_id, baseline_id)], meters)[0]

    def find_sessions(
        self, measure: Plain, environment_id: int, pairs: Sequence[Pair], meters: Mapping[str, int] | None = None
    ) -> list[int | None]:
        """For each run the newest finished session that timed it in full, beside its baseline.

        `meters`, by name with their revision, must all have read every process of both arms.
        """
        with self.read() as connection:
            return sessions.reusable(connection, measure, environment_id, pairs, meters or {})

    def processes_done(self, session_id: int) -> dict[int, set[int]]:
        """Finished processes by arm; what was in flight at an interruption is absent."""
        with self.read() as connection:
            return sessions.processes(connection, session_id)

    def close_session(self, session_id: int, status: SessionStatus = "done") -> None:
        closed = {"status": status, "owner": None, "updated": time.time()}
        with self.write() as connection:
            connection.execute(update(session).where(session.c.id == session_id).values(closed))

    # Studies

    def open_study(self, command: str, measure: str, members: Sequence[MemberRecord]) -> int:
        """A new study, its members in this order."""
        now = time.time()
        columns = {"command": command, "measure": measure, "created": now, "updated": now}
        with self.write() as connection:
            created = connection.execute(insert(study).values(status="running", **columns)).inserted_primary_key
            assert created is not None
            rows = [{**asdict(one), "study_id": created[0], "position": place} for place, one in enumerate(members)]
            if rows:
                connection.execute(insert(member), rows)
            return int(created[0])

    def set_member_sessions(self, study_id: int, sessions: Mapping[int, int]) -> None:
        """Has a study show the timings of these sessions, each for the member at its position."""
        which = (member.c.study_id == study_id) & (member.c.position == bindparam("place"))
        rows = [{"place": position, "shown": session_id} for position, session_id in sessions.items()]
        with self.write() as connection:
            if rows:
                connection.execute(update(member).where(which).values(session_id=bindparam("shown")), rows)

    def close_study(self, study_id: int, status: StudyStatus) -> None:
        with self.write() as connection:
            closed = {"status": status, "updated": time.time()}
            connection.execute(update(study).where(study.c.id == study_id).values(closed))

    def keep_comparison(self, study_id: int, version: str, made: float, content: Plain) -> None:
        """What a study came to, in place of what was kept of it."""
        row = {"study_id": study_id, "version": version, "made": made, "content": content}
        with self.write() as connection:
            connection.execute(delete(comparison).where(comparison.c.study_id == study_id))
            connection.execute(insert(comparison).values(row))


def _key(record: RunRecord) -> tuple[str, int]:
    return record.key, record.environment_id


def _stored_runs(connection: Connection, records: Iterable[RunRecord]) -> dict[tuple[str, int], Any]:
    stored = {}
    for batch in batches({record.key for record in records}):
        query = select(run.c.id, run.c.key, run.c.environment_id, run.c.planned).where(run.c.key.in_(batch))
        stored.update({(row.key, row.environment_id): row for row in connection.execute(query)})
    return stored


def _run_row(record: RunRecord) -> dict[str, Any]:
    now = time.time()
    row = {name: value for name, value in vars(record).items() if name not in ("tags", "sources")}
    return {**row, "status": "planned", "created": now, "updated": now}


def _plan_more(connection: Connection, record: RunRecord) -> None:
    fewer = (run.c.key == record.key) & (run.c.environment_id == record.environment_id)
    fewer &= run.c.planned < record.planned
    wider = {"planned": record.planned, "spec": record.spec, "about": record.about, "updated": time.time()}
    reopened = case((run.c.status == "done", "planned"), else_=run.c.status)
    connection.execute(update(run).where(fewer).values(status=reopened, **wider))


def _tag_row(run_id: int, one: str) -> dict[str, Any]:
    return {"run_id": run_id, "tag": one}


def _source_row(run_id: int, one: Source) -> dict[str, Any]:
    return {"run_id": run_id, **vars(one)}


def _add_passes(
    connection: Connection, passes: Iterable[PassRecord], columns: dict[str, Any], same_pass: Sequence[Any]
) -> None:
    """Inserts readings unless the pass that `columns` and `same_pass` name was stored before."""
    now = time.time()
    # Whoever else would add the same readings waits here; SQLite lets one in at a time anyway.
    connection.execute(select(run.c.id).where(run.c.id == columns["run_id"]).with_for_update())
    there = [reading.c[name] == value for name, value in columns.items()]
    if connection.execute(select(exists().where(*there, *same_pass))).scalar():
        return
    rows = [
        {**columns, "meter": one.meter, "meter_revision": one.meter_revision, "created": now, **_reading_row(each)}
        for one in passes
        for each in one.readings
    ]
    if rows:
        connection.execute(insert(reading), rows)
    if columns["session_id"] is not None:
        connection.execute(update(session).where(session.c.id == columns["session_id"]).values(updated=now))


def _reading_row(one: Reading) -> dict[str, Any]:
    return {**vars(one), **known(one.value, one.reason)}
