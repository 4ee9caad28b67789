"""What pages are made from: filtered, counted and paged in SQL, a fixed number of statements a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, case, cast, func, literal, or_, select

from harness.store import queries, tables
from harness.store.owners import alive
from harness.store.rows import batches
from harness.store.writer import Store

run, sample, score, study = tables.run.c, tables.sample.c, tables.score.c, tables.study.c
member, tag, reading, prompt = tables.member.c, tables.tag.c, tables.reading.c, tables.prompt.c

SIZE = 50  # rows a page
SHOWN = 600  # characters of an answer in a list; a sample's own page has more
FAILED = ("failed", "invalid")


@dataclass(frozen=True)
class Filter:
    """Which runs; an empty word asks nothing."""

    method: str = ""
    task: str = ""
    model: str = ""
    device: str = ""
    status: str = ""
    tag: str = ""
    since: float | None = None  # seconds since 1970, of the last change
    until: float | None = None
    text: str = ""  # anywhere in what a run is called, its settings, tags, reason
    study: int | None = None


class Page(NamedTuple):
    rows: list[Any]
    total: int


def runs(store: Store, wanted: Filter, sort: str = "-run", page: int = 1, size: int = SIZE) -> Page:
    """Runs of a page: columns of `run`, but for `identity`, with `live`, `done` and `tags`."""
    where = conditions(wanted)
    names = ["id", "label", "task", "model", "device", "seed", "spec", "about", "planned", "status", "reason"]
    columns = [run[name] for name in [*names, "owner", "heartbeat", "created", "updated"]]
    first = (page - 1) * size
    with store.read() as connection:
        if where:  # looked through once: rows are wide, and a text may be in any of them
            ids = list(connection.scalars(select(run.id).where(*where).order_by(*order(sort))))
            total, mine = len(ids), ids[first : first + size]
        else:
            total = connection.scalar(select(func.count()).select_from(tables.run)) or 0
            mine = list(connection.scalars(select(run.id).order_by(*order(sort)).offset(first).limit(size)))
        query = select(*columns)
        found = {row.id: row for batch in batches(mine) for row in connection.execute(query.where(run.id.in_(batch)))}
        return Page(with_progress(connection, [found[one] for one in mine if one in found]), total)


ORDERS = {
    "run": run.id,
    "method": run.label,
    "task": run.task,
    "model": run.model,
    "device": run.device,
    "seed": run.seed,
    "status": run.status,
    "changed": run.updated,
}


def order(sort: str) -> list[ColumnElement[Any]]:
    column = ORDERS.get(sort.lstrip("-"), run.id)
    return [column.desc() if sort.startswith("-") else column, run.id.desc()]


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    exact = {"task": wanted.task, "model": wanted.model, "device": wanted.device, "status": wanted.status}
    found: list[ColumnElement[bool]] = [run[name] == value for name, value in exact.items() if value]
    if wanted.method:
        found.append((literal("+") + run.label + "+").contains(f"+{wanted.method}+", autoescape=True))
    if wanted.tag:
        found.append(run.id.in_(select(tag.run_id).where(tag.tag == wanted.tag)))
    if wanted.study is not None:
        found.append(run.id.in_(select(member.run_id).where(member.study_id == wanted.study)))
    if wanted.since is not None:
        found.append(run.updated >= wanted.since)
    if wanted.until is not None:
        found.append(run.updated < wanted.until)
    found += [anywhere(word) for word in wanted.text.split()]
    return found


def anywhere(word: str) -> ColumnElement[bool]:
    columns = (run.label, run.task, run.model, run.reason, cast(run.spec, Text))
    tagged = run.id.in_(select(tag.run_id).where(tag.tag.icontains(word, autoescape=True)))
    return or_(*(column.icontains(word, autoescape=True) for column in columns), tagged)


def with_progress(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    done = dict.fromkeys(ids, 0)
    tags: dict[int, list[str]] = {number: [] for number in ids}
    for batch in batches(ids):
        counts = select(sample.run_id, func.count()).where(sample.run_id.in_(batch)).group_by(sample.run_id)
        done.update((number, count) for number, count in connection.execute(counts))
        for number, one in connection.execute(
            select(tag.run_id, tag.tag).where(tag.run_id.in_(batch)).order_by(tag.tag)
        ):
            tags[number].append(one)
    found = []
    for row in rows:
        columns = dict(row._mapping)
        owner, heartbeat = columns.pop("owner"), columns.pop("heartbeat")
        live = owner is not None and alive(owner, heartbeat)
        found.append({**columns, "live": live, "done": done[row.id], "tags": tags[row.id]})
    return found


def choices(store: Store) -> dict[str, list[str]]:
    """What there is to filter by."""
    found: dict[str, list[str]] = {}
    with store.read() as connection:
        for name in ("label", "task", "model", "device", "status"):
            found[name] = [str(one) for one in connection.scalars(select(run[name]).distinct().order_by(run[name]))]
        found["tag"] = list(connection.scalars(select(tag.tag).distinct().order_by(tag.tag)))
    found["method"] = sorted({name for label in found.pop("label") for name in label.split("+")})
    return found


class Count(NamedTuple):
    runs: int
    studies: int
    changed: float  # when anything did


def count(store: Store) -> Count:
    with store.read() as connection:
        runs_there = connection.scalar(select(func.count()).select_from(tables.run)) or 0
        studies_there = connection.scalar(select(func.count()).select_from(tables.study)) or 0
        last = [connection.scalar(select(func.max(one))) or 0.0 for one in (run.updated, study.updated)]
    return Count(runs_there, studies_there, max(last))


# Studies.


def studies(store: Store, page: int = 1, size: int = SIZE, method: str = "", run_id: int | None = None) -> Page:
    """Studies, the last worked on first: columns of `study`, `runs` by status, `tasks`, `models`, `live`."""
    where = []
    if method or run_id is not None:
        inside = select(member.study_id).join(tables.run, run.id == member.run_id)
        inside = inside.where(*conditions(Filter(method=method))) if method else inside.where(run.id == run_id)
        where.append(study.id.in_(inside))
    query = select(tables.study).where(*where).order_by(study.updated.desc(), study.id.desc())
    with store.read() as connection:
        total = connection.scalar(select(func.count()).select_from(tables.study).where(*where)) or 0
        rows = [dict(row._mapping) for row in connection.execute(query.offset((page - 1) * size).limit(size))]
        told = about_studies(connection, [row["id"] for row in rows])
        return Page([{**row, **told[row["id"]], "live": live(connection, row)} for row in rows], total)


def about_studies(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {
        one: {"runs": {}, "tasks": set(), "models": set(), "methods": set()} for one in ids
    }
    query = select(member.study_id, run.status, run.task, run.model, run.label, func.count())
    query = query.join_from(tables.member, tables.run, run.id == member.run_id).where(member.study_id.in_(ids))
    for number, status, task, model, label, count in connection.execute(
        query.group_by(member.study_id, run.status, run.task, run.model, run.label)
    ):
        one = found[number]
        one["runs"][status] = one["runs"].get(status, 0) + count
        one["tasks"].add(task)
        one["models"].add(model)
        one["methods"].add(label)
    return {
        number: {**one, **{name: sorted(one[name]) for name in ("tasks", "models", "methods")}}
        for number, one in found.items()
    }


def live(connection: Connection, row: dict[str, Any]) -> bool:
    """Whether a command works on a run of a study that says it is running, or times one."""
    if row["status"] != "running":
        return False
    session, arm = tables.session.c, tables.arm.c
    mine = select(member.run_id).where(member.study_id == row["id"])
    working = select(run.owner, run.heartbeat).where(run.id.in_(mine), run.status == "running")
    timing = select(session.owner, session.updated).join_from(tables.session, tables.arm, arm.session_id == session.id)
    timing = timing.where(arm.run_id.in_(mine), session.status == "open").distinct()
    return any(
        owner is not None and alive(owner, heard)
        for query in (working, timing)
        for owner, heard in connection.execute(query)
    )


class Progress(NamedTuple):
    done: int
    planned: int
    seconds_left: float | None  # None: too few samples to tell


def progress(store: Store, study_id: int) -> Progress:
    """How far the samples of a study are, and how long the rest takes at the pace of the last fifty."""
    mine = select(member.run_id).where(member.study_id == study_id)
    with store.read() as connection:
        planned = connection.scalar(select(func.sum(run.planned)).where(run.id.in_(mine))) or 0
        done = connection.scalar(select(func.count()).select_from(tables.sample).where(sample.run_id.in_(mine))) or 0
        busy = select(run.id).where(run.id.in_(mine), run.status == "running")
        last = select(sample.created).where(sample.run_id.in_(busy)).order_by(sample.created.desc()).limit(50)
        times = list(connection.scalars(last))
    if len(times) < 2 or times[0] <= times[-1]:
        return Progress(done, planned, None)
    each = (times[0] - times[-1]) / (len(times) - 1)
    return Progress(done, planned, each * max(0, planned - done))


def baseline(store: Store, run_id: int) -> int | None:
    """What a run was compared with last."""
    query = select(member.baseline_id).where(member.run_id == run_id, member.baseline_id.is_not(None))
    with store.read() as connection:
        found: int | None = connection.scalar(query.order_by(member.study_id.desc()).limit(1))
    return found


def failures(store: Store, limit: int = 10) -> list[Row[Any]]:
    """Runs that failed or are invalid, the latest first."""
    columns = (run.id, run.label, run.task, run.model, run.status, run.reason, run.updated)
    query = select(*columns).where(run.status.in_(FAILED)).order_by(run.updated.desc()).limit(limit)
    with store.read() as connection:
        return list(connection.execute(query))


def run_tasks(store: Store, study_id: int) -> list[Row[Any]]:
    """The first run of each task of a study."""
    query = select(run.task, func.min(run.id).label("id")).join_from(tables.run, tables.member, member.run_id == run.id)
    with store.read() as connection:
        return list(connection.execute(query.where(member.study_id == study_id).group_by(run.task)))


def runs_by_method(store: Store) -> dict[str, int]:
    """How many runs each method has, alone and in stacks."""
    found: dict[str, int] = {}
    with store.read() as connection:
        for label, count in connection.execute(select(run.label, func.count()).group_by(run.label)):
            for name in label.split("+"):
                found[name] = found.get(name, 0) + count
    return found


def study_changed(store: Store, study_id: int) -> tuple[float, int]:
    """When a run of a study, or the study itself, last changed; and how many runs it has."""
    count = select(func.count()).select_from(tables.member).where(member.study_id == study_id).scalar_subquery()
    ended = select(study.updated).where(study.id == study_id).scalar_subquery()
    with store.read() as connection:
        changed, closed, runs = connection.execute(select(queries.last_change(study_id), ended, count)).one()
    return max(changed or 0.0, closed or 0.0), runs


def runs_changed(store: Store, run_ids: Iterable[int]) -> float:
    with store.read() as connection:
        return connection.scalar(select(func.max(run.updated)).where(run.id.in_(list(run_ids)))) or 0.0


# Scores and samples.


class Mean(NamedTuple):
    """Of one run's scores under one metric, each sample counting alike."""

    macro: float | None  # of the means of its subtasks
    plain: float | None  # of its samples
    n: int  # that have a score


def means(store: Store, run_ids: Iterable[int]) -> dict[tuple[int, str], Mean]:
    """By run and metric."""
    found: dict[tuple[int, str], Mean] = {}
    scored = func.count(score.value).label("n")
    inner = select(score.run_id, score.metric, sample.stratum, func.avg(score.value).label("mean"), scored)
    inner = inner.join_from(tables.score, tables.sample, same_sample())
    with store.read() as connection:
        for batch in batches(run_ids):
            parts = inner.where(score.run_id.in_(batch)).group_by(score.run_id, score.metric, sample.stratum)
            part = parts.subquery().c
            plain = func.sum(part.mean * part.n) / func.nullif(func.sum(part.n), 0)
            query = select(part.run_id, part.metric, func.avg(part.mean), plain, func.sum(part.n))
            for row in connection.execute(query.group_by(part.run_id, part.metric)):
                macro, plainly = (None if one is None else float(one) for one in (row[2], row[3]))
                found[row[0], row[1]] = Mean(macro, plainly, int(row[4]))
    return found


def same_sample() -> ColumnElement[bool]:
    return and_(sample.run_id == score.run_id, sample.number == score.number)


def samples(
    store: Store, run_id: int, *, stratum: str = "", text: str = "", worst: str = "", page: int = 1, size: int = SIZE
) -> Page:
    """Samples of one run with the beginning of each answer and the end of each prompt.

    `worst` names a metric and begins with - where more of it is better: the worst come first.
    """
    where = [sample.run_id == run_id]
    if stratum:
        where.append(sample.stratum == stratum)
    if text:
        where.append(
            or_(
                sample.answer.icontains(text, autoescape=True),
                cast(sample.target, Text).icontains(text, autoescape=True),
            )
        )
    query = select(*of_a_sample(), last_of_prompt()).join_from(
        tables.sample, tables.prompt, prompt.hash == sample.prompt_hash, isouter=True
    )
    query = query.where(*where)
    if worst:
        query = query.join(tables.score, and_(same_sample(), score.metric == worst.lstrip("-")), isouter=True)
        query = query.order_by(score.value.is_(None), score.value if worst.startswith("-") else score.value.desc())
    query = query.order_by(sample.number).offset((page - 1) * size).limit(size)
    with store.read() as connection:
        total = connection.scalar(select(func.count()).select_from(tables.sample).where(*where)) or 0
        rows = [dict(row._mapping) for row in connection.execute(query)]
        scores = scores_of(connection, [(run_id, row["number"]) for row in rows])
        return Page([{**row, "scores": scores.get((run_id, row["number"]), {})} for row in rows], total)


def of_a_sample(shown: int = SHOWN) -> list[Any]:
    """Columns of a sample that may be shown in a list, whatever a model answered."""
    return [
        sample.run_id, sample.number, sample.stratum, sample.cluster, sample.prompt_hash, sample.target,
        func.substr(sample.answer, 1, shown).label("answer"), func.length(sample.answer).label("length"),
        sample.evidence, sample.observed,
    ]  # fmt: skip


def last_of_prompt(shown: int = 240) -> Any:
    start = case((func.length(prompt.text) > shown, func.length(prompt.text) - shown + 1), else_=1)
    return func.substr(prompt.text, start, shown).label("prompt")


def scores_of(connection: Connection, samples: Sequence[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    found: dict[tuple[int, int], dict[str, Any]] = {}
    by_run: dict[int, list[int]] = {}
    for run_id, number in samples:
        by_run.setdefault(run_id, []).append(number)
    columns = (score.run_id, score.number, score.metric, score.value, score.reason)
    for run_id, numbers in by_run.items():
        for batch in batches(numbers):
            query = select(*columns).where(score.run_id == run_id, score.number.in_(batch)).order_by(score.metric)
            for row in connection.execute(query):
                found.setdefault((row.run_id, row.number), {})[row.metric] = row
    return found


def strata(store: Store, run_id: int) -> list[str]:
    query = select(sample.stratum).distinct().where(sample.run_id == run_id).order_by(sample.stratum)
    with store.read() as connection:
        return list(connection.scalars(query))


def prompt_of(store: Store, prompt_hash: str, shown: int) -> tuple[str, int] | None:
    """The beginning of a prompt, and its length in characters."""
    query = select(func.substr(prompt.text, 1, shown), func.length(prompt.text)).where(prompt.hash == prompt_hash)
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def answers(store: Store, run_id: int, number: int, study_id: int, shown: int, page: int = 1, size: int = SIZE) -> Page:
    """What the runs of a study answered to the same sample, in the study's order."""
    asked = select(sample.prompt_hash).where(sample.run_id == run_id, sample.number == number).scalar_subquery()
    there = tables.member.join(tables.sample, and_(sample.run_id == member.run_id, sample.number == number))
    where = (member.study_id == study_id, sample.prompt_hash == asked)
    query = select(*of_a_sample(shown), run.label, run.spec, run.status, member.role).where(*where)
    query = query.select_from(there.join(tables.run, run.id == member.run_id))
    with store.read() as connection:
        total = connection.scalar(select(func.count()).select_from(there).where(*where)) or 0
        found = connection.execute(query.order_by(member.position).offset((page - 1) * size).limit(size)).all()
        rows = [dict(row._mapping) for row in found]
        scores = scores_of(connection, [(row["run_id"], row["number"]) for row in rows])
        return Page([{**row, "scores": scores.get((row["run_id"], row["number"]), {})} for row in rows], total)


def against(
    store: Store, before: int, after: int, metric: str, page: int = 1, size: int = SIZE
) -> tuple[Page, dict[str, int]]:
    """Samples that two runs were asked alike, those first whose score changed most; and how many rose, fell, stayed."""
    one, other = tables.sample.alias("one").c, tables.sample.alias("other").c
    was, now = tables.score.alias("was").c, tables.score.alias("now").c
    change = (now.value - was.value).label("change")
    query = (
        select(
            one.number, one.stratum, one.target, change, was.value.label("before"), now.value.label("after"),
            func.substr(one.answer, 1, SHOWN).label("answer_before"),
            func.substr(other.answer, 1, SHOWN).label("answer_after"),
            last_of_prompt(),
        )
        .where(one.run_id == before, other.run_id == after)
        .where(one.number == other.number, one.prompt_hash == other.prompt_hash)
        .where(was.run_id == before, was.number == one.number, was.metric == metric)
        .where(now.run_id == after, now.number == one.number, now.metric == metric)
        .where(prompt.hash == one.prompt_hash)
    )  # fmt: skip
    counted = query.with_only_columns(
        func.count(),
        func.sum(case((now.value > was.value, 1), else_=0)),
        func.sum(case((now.value < was.value, 1), else_=0)),
    )
    query = query.order_by(func.abs(now.value - was.value).desc(), one.number).offset((page - 1) * size).limit(size)
    with store.read() as connection:
        total, rose, fell = connection.execute(counted).one()
        rows = [dict(row._mapping) for row in connection.execute(query)]
    tally = {"rose": rose or 0, "fell": fell or 0, "alike": total - (rose or 0) - (fell or 0)}
    return Page(rows, total), tally


class Hard(NamedTuple):
    """One sample over the runs of a study."""

    run_id: int  # one that was asked it, the baseline where it was
    number: int
    stratum: str
    asked: int
    right: int
    lowest: float | None
    highest: float | None
    only: int | None  # the run that got it, where one alone did
    target: Any


def hardness(store: Store, study_id: int, metric: str, least: float, higher_is_better: bool | None) -> list[Hard]:
    """Each sample with how many runs got it right: those whose score is at least (or at most) `least`."""
    hit = score.value >= least if higher_is_better else score.value <= least
    right = case((hit, 1), else_=0)
    baseline = func.min(case((member.role == "baseline", score.run_id)))
    columns = (
        func.coalesce(baseline, func.min(score.run_id)), score.number, func.min(sample.stratum),
        func.count(score.value), func.sum(right),
        func.min(score.value), func.max(score.value), func.sum(case((hit, score.run_id), else_=0)),
    )  # fmt: skip
    query = select(*columns).select_from(tables.member)
    query = query.join(tables.score, and_(score.run_id == member.run_id, score.metric == metric))
    query = query.join(tables.sample, same_sample()).where(member.study_id == study_id)
    with store.read() as connection:
        rows = connection.execute(query.group_by(sample.prompt_hash, score.number).order_by(score.number)).all()
        targets = targets_of(connection, [(row[0], row[1]) for row in rows])
    return [
        Hard(
            run_id, number, stratum, asked, right, lowest, highest,
            only=which if right == 1 else None, target=targets.get((run_id, number)),
        )
        for run_id, number, stratum, asked, right, lowest, highest, which in rows
    ]  # fmt: skip


def targets_of(connection: Connection, samples: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Any]:
    found: dict[tuple[int, int], Any] = {}
    for run_id in {one for one, _ in samples}:
        rows = connection.execute(select(sample.number, sample.target).where(sample.run_id == run_id))
        found |= {(run_id, number): target for number, target in rows}
    return found


# Readings.


def readings(store: Store, run_id: int, page: int = 1, size: int = 200) -> Page:
    """Every reading of a run: those made once, then session by session."""
    session = tables.session.c
    columns = (reading.session_id, reading.position, reading.process, reading.sample, reading.meter, reading.metric)
    query = select(*columns, reading.value, reading.unit, reading.source, reading.reason)
    query = query.outerjoin_from(tables.reading, tables.session, session.id == reading.session_id)
    where = (reading.run_id == run_id, or_(session.status.is_(None), session.status != "abandoned"))
    query = query.where(*where).order_by(reading.session_id.is_not(None), reading.session_id.desc(), reading.id)
    total = select(func.count()).select_from(query.subquery())
    with store.read() as connection:
        rows = connection.execute(query.offset((page - 1) * size).limit(size)).all()
        return Page([dict(row._mapping) for row in rows], connection.scalar(total) or 0)
