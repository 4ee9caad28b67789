"""Tells plugins what has happened, once the store has it. What they do with it never breaks a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.engine.plan import Plan, PlannedRun
from harness.engine.watch import Watch
from harness.plugin.blame import debugging, sentence, trace
from harness.plugin.discovery import Registry
from harness.spec.events import RunEvent, SampleEvent, StudyEvent
from harness.spec.records import Score
from harness.store.records import SampleRecord


@dataclass
class Events:
    """One command's. `study` is what they are told of it, its runs aside."""

    registry: Registry
    watch: Watch
    study_id: int
    command: str
    measure: str
    store: str
    deaf: set[str] = field(default_factory=set)  # plugins that raised

    def study_started(self, plan: Plan) -> None:
        self._tell_study("study_started", plan, "running")

    def study_finished(self, plan: Plan, status: str) -> None:
        self._tell_study("study_finished", plan, status)

    def run_finished(self, run: PlannedRun) -> None:
        self._tell("run_finished", run=run_event(run))

    def sample_finished(self, run: PlannedRun, sample: SampleRecord, scores: Sequence[Score]) -> None:
        if self.registry.listeners["sample_finished"]:
            event = SampleEvent(
                run=run_event(run),
                number=sample.number,
                stratum=sample.stratum,
                answer=sample.answer,
                scores=tuple(scores),
                evidence=dict(sample.evidence),
                observed=dict(sample.observed),
                output=dict(sample.output),
            )
            self._tell("sample_finished", sample=event)

    def _tell_study(self, event: str, plan: Plan, status: str) -> None:
        if self.registry.listeners[event]:  # else thousands of runs are described for nobody
            runs = tuple(run_event(run) for run in plan.runs)
            study = StudyEvent(self.study_id, self.command, self.measure, self.store, status, runs)
            self._tell(event, study=study)

    def _tell(self, event: str, **facts: object) -> None:
        for listener in self.registry.listeners[event]:
            found = listener.found
            if found.name in self.deaf:
                continue
            try:
                listener.tell(**facts)
            except (Exception, SystemExit) as error:
                self.deaf.add(found.name)
                why = sentence(error, found.folder or found.path)
                self.watch.say(f"plugin {found.name} failed at {event}, and is told nothing more: {why}")
                if debugging():
                    self.watch.say(trace(error))


def run_event(run: PlannedRun) -> RunEvent:
    bench = run.bench
    return RunEvent(
        id=run.id,
        label=run.stack.label,
        role=run.role,
        task=bench.task.name,
        model=bench.model_name,
        device=bench.device.kind,
        seed=bench.seed,
        spec=run.spec.plain(),
        status=run.status,
        reason=run.failed,
        done=len(run.done),
        planned=bench.planned,
    )
