"""From the store to what a comparison is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from harness.report.model import RunView, StudyView
from harness.report.selfcheck import latest, remark
from harness.spec.records import Measure, Plain, RunSpec
from harness.store import queries
from harness.store.queries import Member, Run

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.store.writer import Store

Defaults = Mapping[str, Mapping[str, Plain]]  # of knobs, by method


def gather_study(store: Store, study_id: int, defaults: Defaults | None = None) -> StudyView:
    """
    Raises:
        UsageError: there is no such study.
    """
    title = queries.study(store, study_id).command
    members = queries.members(store, study_id)
    wanted = [one.session_id for one in members if one.session_id is not None]
    readings = queries.readings(store, [one.run_id for one in members], wanted)
    return view(store, title, members, readings, defaults)


def gather_runs(store: Store, run_ids: Iterable[int], defaults: Defaults | None = None) -> StudyView:
    """Runs beside the first of them, with the latest session that timed each beside it.

    Raises:
        UsageError: there is no such run.
    """
    first, *others = [queries.run(store, run_id) for run_id in run_ids]
    ids = [first.id, *(run.id for run in others)]
    readings = queries.readings(store, ids)
    shared = {run.id: latest_shared(readings, first.id, run.id) for run in others}
    own = max((one for one in shared.values() if one is not None), default=latest_shared(readings, first.id, first.id))
    members = [Member(0, first.id, "baseline", None, own, True)]
    members += [
        Member(place, run.id, "method", first.id, shared[run.id], True) for place, run in enumerate(others, start=1)
    ]
    return view(store, " against ".join(map(str, reversed(ids))), members, readings, defaults)


def latest_shared(readings: DataFrame, one: int, other: int) -> int | None:
    """The newest session that holds timings of both runs."""
    sessions = [set(readings.loc[readings["run"] == run, "session"].dropna()) for run in (one, other)]
    return max(map(int, sessions[0] & sessions[1]), default=None)


def view(
    store: Store, title: str, members: Iterable[Member], readings: DataFrame, defaults: Defaults | None
) -> StudyView:
    members = list(members)
    ids = [one.run_id for one in members]
    runs = queries.details(store, ids)
    sessions = queries.sessions(store, [one.session_id for one in members if one.session_id is not None])
    measures = {number: Measure(**session.measure) for number, session in sessions.items()}
    homes = {run.fingerprint for run in runs.values()} if any(one.decides for one in measures.values()) else ()
    return StudyView(
        title=title,
        runs=tuple(run_view(runs[one.run_id], one) for one in members),
        samples=queries.outline(store, ids, answers=any(run.facts.get("environment") for run in runs.values())),
        scores=queries.values(store, ids),
        readings=readings,
        measures=measures,
        defaults=defaults or {},
        environments={run.environment_id: environment_words(run.facts) for run in runs.values()},
        remarks=tuple(remark(check) for home in homes for check in latest(store, home)),
    )


def run_view(run: Run, member: Member) -> RunView:
    return RunView(
        id=run.id,
        label=run.label,
        spec=RunSpec.from_plain(run.spec),
        model=run.model,
        role=member.role,
        status=run.status,
        planned=run.planned,
        done=run.done,
        environment_id=run.environment_id,
        about=run.about,
        baseline_id=member.baseline_id,
        session_id=member.session_id,
        reason=run.reason,
        sources=run.sources,
        environment=str(run.facts.get("environment", "")),
    )


def environment_words(facts: Mapping[str, Plain]) -> str:
    """`Xeon, 2 cores, torch 2.14.1`; of a named one, with what it was made for."""
    device = ", ".join(facts.get("gpus") or []) or facts.get("cpu")
    parts = [device, f"{facts['cores']} cores" if "cores" in facts else None]
    parts += [f"{name} {facts[name]}" for name in ("torch", "transformers") if facts.get(name)]
    home = facts.get("environment")
    parts += [f"{home} {facts['packages'][home]}"] if home in facts.get("packages", {}) else []
    return ", ".join(part for part in parts if part)
