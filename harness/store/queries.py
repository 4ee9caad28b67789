"""What is read out of the store: frames of many rows, named records of few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select, func, literal, or_, select

from harness.spec.errors import UsageError
from harness.spec.records import Plain, Source
from harness.store import tables
from harness.store.owners import alive
from harness.store.rows import batches
from harness.store.writer import Store

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Run:
    """One run with everything but its samples and readings."""

    id: int
    key: str
    environment_id: int
    fingerprint: str
    facts: dict[str, Plain]  # of its environment
    label: str
    task: str
    model: str
    device: str
    seed: int
    spec: dict[str, Plain]
    identity: dict[str, Plain]
    about: dict[str, Plain]
    planned: int
    status: str
    reason: str | None
    created: float
    updated: float
    live: bool  # a command works on it now
    done: int
    tags: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Study:
    id: int
    command: str
    measure: str
    status: str
    created: float
    updated: float


@dataclass(frozen=True)
class Member:
    position: int
    run_id: int
    role: str
    baseline_id: int | None
    session_id: int | None
    quality: bool


@dataclass(frozen=True)
class Session:
    id: int
    measure: dict[str, Plain]
    environment_id: int
    status: str
    created: float
    updated: float
    run_ids: tuple[int, ...]  # by position


RUN_COLUMNS = ["id", "label", "task", "model", "device", "seed", "status", "reason", "planned", "created", "updated"]


def runs(
    store: Store,
    *,
    method: str | None = None,
    task: str | None = None,
    model: str | None = None,
    status: str | None = None,
    tag: str | None = None,
    limit: int | None = None,
) -> DataFrame:
    """Runs, newest first; a method is found alone and in stacks.

    Columns: those of RUN_COLUMNS, `live` (a command works on it now), `done` (samples), `tags` (a tuple).
    """
    wanted = {"task": task, "model": model, "status": status}
    run = tables.run.c
    query = select(*(run[name] for name in RUN_COLUMNS), run.owner, run.heartbeat)
    query = query.where(*(run[name] == value for name, value in wanted.items() if value is not None))
    if method is not None:
        query = query.where((literal("+") + run.label + "+").contains(f"+{method}+", autoescape=True))
    if tag is not None:
        query = query.where(run.id.in_(select(tables.tag.c.run_id).where(tables.tag.c.tag == tag)))
    with store.read() as connection:
        rows = connection.execute(query.order_by(run.id.desc()).limit(limit)).all()
    ids = [row.id for row in rows]
    done, tags = store.progress(ids), _tags(store, ids)
    complete = [(*row[:-2], _live(row.owner, row.heartbeat), done[row.id], tags.get(row.id, ())) for row in rows]
    return _frame(complete, [*RUN_COLUMNS, "live", "done", "tags"])


def run(store: Store, run_id: int) -> Run:
    """
    Raises:
        UsageError: there is no such run.
    """
    found = details(store, [run_id])
    if not found:
        raise UsageError(f"there is no run {run_id} in {store.place}; harness ls runs lists them")
    return found[run_id]


def ids_of(store: Store, keys: Sequence[str], fingerprint: str) -> dict[str, int]:
    """Runs of one environment by key, those that are there."""
    run = tables.run.c
    query = select(run.id, run.key).join(tables.environment).where(tables.environment.c.fingerprint == fingerprint)
    return {row.key: row.id for row in _rows(store, query, run.key, keys)}


def details(store: Store, run_ids: Iterable[int]) -> dict[int, Run]:
    """Runs by id, in the order asked for, those that are there."""
    ids = list(dict.fromkeys(run_ids))
    environment = tables.environment.c
    query = select(tables.run, environment.fingerprint, environment.facts).join(tables.environment)
    rows = _rows(store, query, tables.run.c.id, ids)
    done, tags, sources = store.progress(ids), _tags(store, ids), _sources(store, ids)
    found = {}
    for row in rows:
        columns: dict[str, Any] = dict(row._mapping)
        live = _live(columns.pop("owner"), columns.pop("heartbeat"))
        columns.update(live=live, done=done[row.id], tags=tags.get(row.id, ()), sources=sources.get(row.id, ()))
        found[row.id] = Run(**columns)
    return {number: found[number] for number in ids if number in found}


def _live(owner: str | None, heartbeat: float | None) -> bool:
    return owner is not None and alive(owner, heartbeat)


def _tags(store: Store, run_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    tag = tables.tag.c
    tags: dict[int, tuple[str, ...]] = {}
    for row in _rows(store, select(tag.run_id, tag.tag).order_by(tag.run_id, tag.tag), tag.run_id, run_ids):
        tags[row.run_id] = (*tags.get(row.run_id, ()), row.tag)
    return tags


def _sources(store: Store, run_ids: Sequence[int]) -> dict[int, tuple[Source, ...]]:
    source = tables.source.c
    sources: dict[int, tuple[Source, ...]] = {}
    for row in _rows(store, select(tables.source).order_by(source.run_id, source.name), source.run_id, run_ids):
        columns = {field.name: row._mapping[field.name] for field in fields(Source)}
        sources[row.run_id] = (*sources.get(row.run_id, ()), Source(**columns))
    return sources


def samples(store: Store, run_ids: Iterable[int]) -> DataFrame:
    """Samples of runs, by run and number. Of a prompt only the hash; `prompt` has the text."""
    sample = tables.sample.c
    names = ["number", "stratum", "cluster", "prompt_hash", "answer", "target", "output", "evidence", "observed"]
    query = select(sample.run_id, *(sample[name] for name in names)).order_by(sample.run_id, sample.number)
    return _frame(_rows(store, query, sample.run_id, run_ids), ["run", *names])


BYTES = ("resident_bytes", "full_bytes", "weight_resident_bytes", "weight_full_bytes")


def outline(store: Store, run_ids: Iterable[int], *, answers: bool = False) -> DataFrame:
    """Of samples what comparisons are made from: where each belongs, and what the subject saw of its bytes.

    Columns: run, number, stratum, cluster, prompt_hash, those of BYTES (NaN where they were not told), answer.
    """
    sample = tables.sample.c
    names = ["number", "stratum", "cluster", "prompt_hash"]
    told = [sample.observed[name].as_float().label(name) for name in BYTES]
    more = [sample.answer] if answers else []
    query = select(sample.run_id, *(sample[name] for name in names), *told, *more).order_by(
        sample.run_id, sample.number
    )
    columns = ["run", *names, *BYTES, *(["answer"] if answers else [])]
    return _long_frame(store, query, sample.run_id, run_ids, columns, **dict.fromkeys(BYTES, "float64"))


def values(store: Store, run_ids: Iterable[int]) -> DataFrame:
    """As `scores`, without what they have from their samples: run, number, metric, value, reason."""
    score = tables.score.c
    names = ["number", "metric", "value", "reason"]
    query = select(score.run_id, *(score[name] for name in names)).order_by(score.run_id, score.number, score.metric)
    return _long_frame(store, query, score.run_id, run_ids, ["run", *names], value="float64")


def prompt(store: Store, prompt_hash: str) -> str | None:
    with store.read() as connection:
        text: str | None = connection.scalar(select(tables.prompt.c.text).where(tables.prompt.c.hash == prompt_hash))
        return text


def scores(store: Store, run_ids: Iterable[int]) -> DataFrame:
    """Scores of runs, by run, number and metric; unknown is NaN with a reason."""
    score, sample = tables.score.c, tables.sample.c
    query = (
        select(score.run_id, score.number, sample.stratum, sample.cluster, score.metric, score.value, score.reason)
        .join_from(tables.score, tables.sample)
        .order_by(score.run_id, score.number, score.metric)
    )
    columns = ["run", "number", "stratum", "cluster", "metric", "value", "reason"]
    return _frame(_rows(store, query, score.run_id, run_ids), columns, value="float64")


READING_COLUMNS = ["position", "process", "sample", "meter", "meter_revision", "metric", "value", "unit", "source"]


def readings(
    store: Store, run_ids: Iterable[int], session_ids: Iterable[int] | None = None, *, settled: bool = True
) -> DataFrame:
    """Readings of runs: timed ones, and what the newest revision of each untimed meter read.

    `session_ids` narrows the timed ones to these sessions. Those of abandoned sessions are never
    there, those of open ones only with `settled=False`. Unknown is NaN with a reason.
    """
    reading, session = tables.reading.c, tables.session.c
    columns = ["run_id", "session_id", *READING_COLUMNS, "reason", "detail"]
    timed = session.status == "done" if settled else session.status != "abandoned"
    query = select(*(reading[name] for name in columns)).outerjoin_from(tables.reading, tables.session)
    query = query.where(or_(timed, _newest_untimed())).order_by(reading.run_id, reading.id)
    rows = _rows(store, query, reading.run_id, run_ids)
    if session_ids is not None:
        wanted = {None, *session_ids}
        rows = [row for row in rows if row.session_id in wanted]
    whole = dict.fromkeys(["session", "position", "process", "sample"], "Int64")
    return _frame(rows, ["run", "session", *columns[2:]], value="float64", **whole)


def _newest_untimed() -> ColumnElement[bool]:
    reading, other = tables.reading.c, tables.reading.alias().c
    same = (other.run_id == reading.run_id, other.meter == reading.meter, other.session_id.is_(None))
    newest = select(func.max(other.meter_revision)).where(*same).correlate(tables.reading).scalar_subquery()
    return reading.session_id.is_(None) & (reading.meter_revision == newest)


def sessions(store: Store, session_ids: Iterable[int]) -> dict[int, Session]:
    """Sessions by id, those that are there."""
    ids = list(dict.fromkeys(session_ids))
    arm = tables.arm.c
    arms: dict[int, tuple[int, ...]] = {}
    for row in _rows(store, select(tables.arm).order_by(arm.session_id, arm.position), arm.session_id, ids):
        arms[row.session_id] = (*arms.get(row.session_id, ()), row.run_id)
    names = [field.name for field in fields(Session) if field.name != "run_ids"]
    query = select(*(tables.session.c[name] for name in names))
    rows = _rows(store, query, tables.session.c.id, ids)
    return {row.id: Session(**row._mapping, run_ids=arms[row.id]) for row in rows}


def studies(store: Store, *, limit: int | None = None) -> DataFrame:
    """Studies, the last worked on first, with how many `members` each has, and whether it is `live`.

    A study that is `running` and not live was broken off: its command was killed.
    """
    columns = [tables.study.c[field.name] for field in fields(Study)]
    count = select(func.count()).where(tables.member.c.study_id == tables.study.c.id).scalar_subquery()
    with store.read() as connection:
        rows = connection.execute(select(*columns, count).order_by(*LAST).limit(limit)).all()
        live = [row.status == "running" and _worked_on(connection, row.id) for row in rows]
    complete = [(*row, one) for row, one in zip(rows, live, strict=True)]
    return _frame(complete, [*(field.name for field in fields(Study)), "members", "live"])


def _worked_on(connection: Connection, study_id: int) -> bool:
    """Whether a command works on a run of a study, or times it."""
    run, arm, session = tables.run, tables.arm, tables.session
    members = select(tables.member.c.run_id).where(tables.member.c.study_id == study_id)
    running = select(run.c.owner, run.c.heartbeat).where(run.c.id.in_(members), run.c.status == "running")
    timed = select(session.c.owner, session.c.updated).join(arm).where(arm.c.run_id.in_(members))
    timed = timed.where(session.c.status == "open").distinct()
    return any(_live(owner, heard) for query in (running, timed) for owner, heard in connection.execute(query))


LAST = (tables.study.c.updated.desc(), tables.study.c.id.desc())


def latest_study(store: Store) -> Study | None:
    """The study last worked on."""
    with store.read() as connection:
        row = connection.execute(select(tables.study).order_by(*LAST).limit(1)).one_or_none()
    return None if row is None else Study(**row._mapping)


def study(store: Store, study_id: int) -> Study:
    """
    Raises:
        UsageError: there is no such study.
    """
    with store.read() as connection:
        row = connection.execute(select(tables.study).where(tables.study.c.id == study_id)).one_or_none()
    if row is None:
        raise UsageError(f"there is no study {study_id} in {store.place}; harness compare alone shows the latest")
    return Study(**row._mapping)


def members(store: Store, study_id: int) -> list[Member]:
    """In the order they were given."""
    columns = [tables.member.c[field.name] for field in fields(Member)]
    query = select(*columns).where(tables.member.c.study_id == study_id).order_by(tables.member.c.position)
    with store.read() as connection:
        return [Member(**row._mapping) for row in connection.execute(query)]


def last_change(study_id: int) -> ScalarSelect[float | None]:
    """When a run of a study last changed."""
    run, member = tables.run.c, tables.member.c
    mine = select(member.run_id).where(member.study_id == study_id)
    # With id + 0 SQLite walks down its index of changes to the first of them, instead of reading every run.
    return select(func.max(run.updated)).where((run.id + 0).in_(mine)).scalar_subquery()


class Kept(NamedTuple):
    """A comparison as it was kept."""

    version: str
    made: float
    content: Plain


def kept_comparison(store: Store, study_id: int, version: str) -> Kept | None:
    """What this version kept of a study, unless one of its runs has changed since."""
    kept = tables.comparison.c
    wanted = (kept.study_id == study_id) & (kept.version == version) & (kept.made >= last_change(study_id))
    with store.read() as connection:
        row = connection.execute(select(kept.version, kept.made, kept.content).where(wanted)).one_or_none()
    return None if row is None else Kept(*row)


def _rows(store: Store, query: Select[Any], column: ColumnElement[Any], ids: Iterable[Any]) -> list[Row[Any]]:
    """Rows whose `column` is among `ids`, in one view of the store."""
    with store.read() as connection:
        return [row for batch in batches(sorted(ids)) for row in connection.execute(query.where(column.in_(batch)))]


def _long_frame(
    store: Store, query: Select[Any], column: ColumnElement[Any], ids: Iterable[int], columns: list[str], **types: str
) -> DataFrame:
    """Of millions of rows, in one view of the store: column by column, a word that repeats kept once."""
    from pandas import DataFrame, concat

    words: dict[str, str] = {}
    frames = [DataFrame(columns=columns).astype(types)]
    with store.read() as connection:
        for batch in batches(sorted(ids), size=200):
            found = zip(*connection.execute(query.where(column.in_(batch))), strict=True)
            told = {
                name: [words.setdefault(one, one) if isinstance(one, str) else one for one in cells]
                for name, cells in zip(columns, found, strict=False)
            }
            if told:
                frames.append(DataFrame(told).astype(types))
    return concat(frames[1:], ignore_index=True) if len(frames) > 1 else frames[0]


def _frame(rows: Iterable[Sequence[Any]], columns: list[str], **types: str) -> DataFrame:
    from pandas import DataFrame

    return DataFrame.from_records([tuple(row) for row in rows], columns=columns).astype(types)
