"""A machine timed against itself: identity beside identity, so that whatever differs is noise."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config.words import Sweep
from harness.engine.costs import Costs
from harness.engine.duration import Span, session_span
from harness.engine.events import Events
from harness.engine.plan import Plan
from harness.engine.watch import Watch
from harness.plugin.contracts import Meter
from harness.plugin.discovery import Registry
from harness.spec.errors import HarnessError, WorkerError
from harness.store.records import MemberRecord
from harness.store.writer import Store


def check(plan: Plan, sweep: Sweep, command: str, count: int, registry: Registry, store: Store, watch: Watch) -> int:
    """Times each run of a registered plan beside itself in `count` sessions; returns the study that holds them.

    Raises:
        WorkerError: a run can't be timed.
    """
    runs = [run for run in plan.runs for _ in range(count)]
    study_id = store.open_study(command, sweep.measure.name, [MemberRecord(run.id, "baseline") for run in runs])
    events = Events(registry, watch, study_id, command, sweep.measure.name, str(store.place))
    costs = Costs(store, watch, sweep.worker_timeout_s, sweep.measure, timed_meters(registry), events)
    watch.begin("Cost", 2 * sweep.measure.processes * len(runs))
    try:
        for position, run in enumerate(runs):
            session_id = costs.check(run)
            if session_id is None:
                raise WorkerError(f"{run.stack.label} failed while it was timed: {run.failed}")
            store.set_member_sessions(study_id, {position: session_id})
    except BaseException as error:
        store.close_study(study_id, "failed" if isinstance(error, HarnessError) else "stopped")
        raise
    store.close_study(study_id, "done")
    return study_id


def timed_meters(registry: Registry) -> list[Meter]:
    return [meter for meter in (one() for one in registry.meters.values()) if meter.timed]


def check_span(plan: Plan, sweep: Sweep, count: int, meters: Sequence[Meter]) -> Span:
    """About how long that takes."""
    spans = [session_span(run.bench, 2, sweep.measure, meters) for run in plan.runs]
    return sum((span for span in spans for _ in range(count)), Span(0.0, 0.0))
