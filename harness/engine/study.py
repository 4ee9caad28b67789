"""A command from beginning to end: plan, quality, costs; whatever stops it, what is done stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from harness.config.words import Sweep
from harness.engine.costs import Costs
from harness.engine.environment import environment
from harness.engine.events import Events
from harness.engine.plan import Plan, PlannedRun, sources
from harness.engine.quality import Quality
from harness.engine.watch import Watch
from harness.plugin.discovery import Registry
from harness.spec.errors import HarnessError
from harness.store.owners import owner
from harness.store.records import MemberRecord, RunRecord, StudyStatus
from harness.store.writer import Store

POLL_S = 1.0


@dataclass(frozen=True)
class Outcome:
    study_id: int
    failures: list[PlannedRun]


def register(plan: Plan, sweep: Sweep, store: Store, rerun: bool = False) -> None:
    """Puts the plan's runs into the store, and learns what of them is done.

    With `rerun` what is there of them is set aside first, and nothing is done.

    Raises:
        UsageError: another command works on what should be set aside.
    """
    for home, runs in plan.by_environment().items():
        environment_id = store.environment(*environment(home))
        for run in runs:
            run.environment_id = environment_id
        if rerun:
            store.set_aside([run.key for run in runs], environment_id)
    records = [record(run, sweep) for run in plan.runs]
    for run, number in zip(plan.runs, store.ensure_runs(records), strict=True):
        run.id = number
    done = store.done_by_run(run.id for run in plan.runs)
    for run in plan.runs:
        run.learn(done[run.id])


def record(run: PlannedRun, sweep: Sweep) -> RunRecord:
    bench = run.bench
    return RunRecord(
        key=run.key,
        environment_id=run.environment_id,
        label=run.stack.label,
        task=bench.task.name,
        model=bench.model_name,
        device=bench.device.kind,
        seed=bench.seed,
        spec=run.spec.plain(),
        identity=run.identity,
        about=run.about(),
        planned=bench.planned,
        tags=tuple(sweep.tags),
        sources=sources(run.stack, bench),
    )


def execute(
    plan: Plan,
    sweep: Sweep,
    registry: Registry,
    store: Store,
    watch: Watch,
    meanwhile: Callable[[], None] = lambda: None,
) -> Outcome:
    """Does what is missing of a registered plan, and `meanwhile` while a worker loads that is not timed.

    Raises:
        KeyboardInterrupt: after what was in flight has been let go and the rest is safe.
    """
    study_id = store.open_study(sweep.command, sweep.measure.name, [member(run) for run in plan.runs])
    meters = [meter() for meter in registry.meters.values()]
    place = store.place.url.render_as_string(hide_password=False)
    events = Events(registry, watch, study_id, sweep.command, sweep.measure.name, place)
    quality = Quality(store, watch, sweep.worker_timeout_s, events, meanwhile)
    costs = Costs(store, watch, sweep.worker_timeout_s, sweep.measure, meters, events)
    try:
        events.study_started(plan)
        wait_for(quality.run(plan), plan, quality, watch)
        positions = {run.id: place for place, run in enumerate(plan.runs)}
        shown = costs.run(plan)
        store.set_member_sessions(study_id, {positions[run_id]: one for run_id, one in shown.items()})
    except BaseException:
        let_go(plan, store, study_id)
        events.study_finished(plan, "stopped")
        raise
    failures = [run for run in plan.runs if run.failed]
    status: StudyStatus = "failed" if failures else "done"
    store.close_study(study_id, status)
    events.study_finished(plan, status)
    return Outcome(study_id, failures)


def member(run: PlannedRun) -> MemberRecord:
    return MemberRecord(run.id, run.role, run.baseline.id if run.baseline else None)  # type: ignore[arg-type]


def wait_for(busy: Iterable[PlannedRun], plan: Plan, quality: Quality, watch: Watch) -> None:
    """Runs that another command is working on are its to finish; whatever it leaves undone is done here."""
    busy = list(busy)
    if busy:
        watch.say(f"Waiting for another command that works on {', '.join(run.stack.label for run in busy)}.")
    while busy:
        time.sleep(POLL_S)
        busy = quality.run(Plan(busy, plan.benches))


def let_go(plan: Plan, store: Store, study_id: int) -> None:
    """Marks what was in flight as stopped; a store that can't be written any more must not hide the cause."""
    with suppress(HarnessError):
        for run in plan.runs:
            if not run.failed and run.lacking:
                store.release(run.id, "stopped", "interrupted", owner=owner())
        store.settle((run.id for run in plan.runs if not run.failed), owner())
        store.close_study(study_id, "stopped")
