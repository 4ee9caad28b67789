"""The quality pass: every sample of every run answered, scored and stored as it finishes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.engine.channel import Channel, WorkerGone
from harness.engine.events import Events
from harness.engine.plan import Bench, Plan, PlannedRun
from harness.engine.prepare import places, prepare, told, train
from harness.engine.watch import Watch
from harness.plugin.blame import blaming, debugging
from harness.plugin.contracts import Stack
from harness.spec.errors import PluginError, SourceError
from harness.spec.identity import digest
from harness.spec.records import Plain, Sample, Score
from harness.store.owners import owner
from harness.store.records import RunStatus, SampleRecord
from harness.store.writer import Store


@dataclass
class Quality:
    """One bench's worker at a time; a worker that dies takes the run that was acting with it, and no other."""

    store: Store
    watch: Watch
    timeout_s: float
    events: Events
    meanwhile: Callable[[], None] = lambda: None  # done while a worker loads, when this process has nothing to do
    apart: set[tuple[int, int]] = field(default_factory=set)  # (bench, sample) to ask arm by arm
    opening: bool = False
    acting: int | None = None
    asked: list[PlannedRun] = field(default_factory=list)
    asking: int = 0  # the sample

    def run(self, plan: Plan) -> list[PlannedRun]:
        """Does what is missing; returns the runs that another command is working on."""
        self.store.settle((run.id for run in plan.runs), owner())
        for run in plan.runs:
            if run.lacking:  # another command may have done some meanwhile
                run.learn(self.store.done_samples(run.id))
        busy: list[PlannedRun] = []
        begun = False
        for bench in plan.benches:
            mine = [run for run in plan.on(bench) if run.lacking and not run.failed]
            held = [run for run in mine if self.store.claim(run.id, owner()) is not None]
            free = [run for run in mine if run not in held]
            busy += held
            if free and not begun:
                total = sum(run.bench.planned for run in plan.runs)
                self.watch.begin("Quality", total, total - sum(run.lacking for run in plan.runs))
                begun = True
            self._serve(bench, free)
        return busy

    def _serve(self, bench: Bench, runs: Sequence[PlannedRun]) -> None:
        for run in runs:  # nobody else adds to them from here on
            run.learn(self.store.done_samples(run.id))
        while pending(bench, runs):
            try:
                self._work(bench, [run for run in runs if not run.failed])
            except WorkerGone as gone:
                self._blame(bench, str(gone), [run for run in runs if not run.failed])
        for run in runs:
            if not run.failed:
                self.store.release(run.id, "done")
                self.events.run_finished(run)

    def _work(self, bench: Bench, runs: Sequence[PlannedRun]) -> None:
        self.opening, self.acting, self.asked = True, None, []
        with self._channel(bench, runs) as channel:
            open_bench(channel, bench, runs, self.meanwhile)
            train(channel, bench, self.watch)
            self.opening = False
            # What is held runs through its samples alone: applying it is dear, and it shares no work.
            for batch in [[run for run in runs if not run.held], *([run] for run in runs if run.held)]:
                self._prepare(channel, batch)
                for number in pending(bench, batch):
                    wanting = [run for run in batch if number not in run.done and not run.failed]
                    groups = [[run] for run in wanting] if (id(bench), number) in self.apart else [wanting]
                    for group in groups:
                        self._ask(channel, bench, number, group)

    def _prepare(self, channel: Channel, runs: Sequence[PlannedRun]) -> None:
        for run in runs:
            self.acting = run.id
            try:
                prepare(channel, run, self.store, self.watch, lambda bench: self._channel(bench, runs))
            except (PluginError, SourceError) as error:
                self._fail(run, "failed", str(error))
        self.acting = None

    def _channel(self, bench: Bench, runs: Sequence[PlannedRun]) -> Channel:
        return Channel(self.timeout_s, lambda: self._pulse(runs), bench.python)

    def _pulse(self, runs: Sequence[PlannedRun]) -> None:
        self.store.heartbeat([run.id for run in runs if not run.failed], owner())

    def _ask(self, channel: Channel, bench: Bench, number: int, runs: list[PlannedRun]) -> None:
        sample = bench.sample(number)
        by_id = {run.id: run for run in runs}
        self.asked, self.asking = runs, number
        channel.tell("answer", request=sample.request, runs=list(by_id))
        for event in channel.hear("answered"):
            kind = event["event"]
            if kind == "acting":
                self.acting = event["run"]
            elif kind == "answer":
                self._keep(bench, sample, by_id[event["run"]], event)
            elif kind == "failed":
                self._fail(by_id[event["run"]], "failed", event["reason"])
                if event["trace"] and debugging():
                    self.watch.say(event["trace"])
            elif kind == "error":
                raise WorkerGone(event["reason"])
        for run in runs:
            if number not in run.done and not run.failed:
                self._fail(run, "failed", f"the {bench.model.kind} gave no answer to sample {number}")
        self.asked = []

    def _keep(self, bench: Bench, sample: Sample, run: PlannedRun, event: Mapping[str, Any]) -> None:
        doubt = doubts(run.stack, event["evidence"], event["observed"])
        if doubt:
            self._fail(run, "invalid", doubt)
            return
        output = event["output"]
        try:
            answer, scores = scored(bench, sample, output)
        except PluginError as error:
            self._fail(run, "failed", str(error))
            return
        record = SampleRecord(
            number=sample.number,
            stratum=sample.stratum,
            cluster=sample.cluster,
            prompt=sample.prompt,
            prompt_hash=digest(sample.request),
            target=sample.target,
            output=output,
            answer=answer,
            evidence=event["evidence"],
            observed=event["observed"],
        )
        self.store.add_sample(run.id, record, scores)
        run.done.add(sample.number)
        self.events.sample_finished(run, record, scores)
        self.watch.step(f"{run.stack.label} {sample.stratum}")

    def _fail(self, run: PlannedRun, status: RunStatus, reason: str) -> None:
        fail(run, status, reason, self.store, self.events, self.watch)

    def _blame(self, bench: Bench, reason: str, runs: Sequence[PlannedRun]) -> None:
        """Decides whose fault a dead worker is; where it can't be told, the sample is asked arm by arm."""
        acting = next((run for run in runs if run.id == self.acting), None)
        if self.opening:
            for run in runs:
                self._fail(run, "failed", reason)
        elif acting is not None:
            self._fail(acting, "failed", reason)
        elif len(self.asked) == 1:
            self._fail(self.asked[0], "failed", reason)
        else:
            self.apart.add((id(bench), self.asking))


def fail(run: PlannedRun, status: RunStatus, reason: str, store: Store, events: Events, watch: Watch) -> None:
    """Ends the work on a run, and says why wherever that is to be known."""
    run.failed, run.invalid = reason, status == "invalid"
    store.release(run.id, status, reason)
    events.run_finished(run)
    watch.say(f"{run.stack.label}: {status}: {reason}")


def scored(bench: Bench, sample: Sample, output: dict[str, Plain]) -> tuple[str, list[Score]]:
    """What a person reads of an output, and its scores.

    Raises:
        PluginError: the task can't score it, or scores it otherwise than it declares.
    """
    task = bench.task
    with blaming(task, f"score sample {sample.number}"):
        answer, scores = task.answer_text(output, bench.processor), task.score(sample, output, bench.processor)
    given, declared = [score.metric for score in scores], [metric.name for metric in task.metrics]
    if len(set(given)) < len(given) or not set(given) <= set(declared):
        raise PluginError(
            f"task {task.name} scored sample {sample.number} under {', '.join(given)}; "
            f"it may score it once under each of {', '.join(declared) or 'no metric'}"
        )
    return answer, scores


def pending(bench: Bench, runs: Sequence[PlannedRun]) -> list[int]:
    """Sample numbers that some run still lacks, ascending."""
    going = [run for run in runs if not run.failed]
    return [number for number in range(bench.planned) if any(number not in run.done for run in going)]


def open_bench(
    channel: Channel, bench: Bench, runs: Sequence[PlannedRun], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Has a worker load the bench's model and these runs' stacks.

    Raises:
        WorkerGone: it could not.
    """
    channel.tell(  # the worker loads while the samples are made ready here
        "open",
        **told(bench),
        device=bench.device.plain(),
        runs=[opened(run) for run in runs],
    )
    assert bench.samples is not None
    meanwhile()
    for event in channel.hear("ready"):
        if event["event"] == "error":
            raise WorkerGone(event["reason"])


def opened(run: PlannedRun) -> dict[str, Plain]:
    """What a worker is told of a run."""
    kept = [None if path is None else str(path) for path in places(run)]
    return {"run": run.id, "stack": [method.plain() for method in run.spec.stack], "artifacts": kept}


def doubts(stack: Stack, evidence: Mapping[str, float], observed: Mapping[str, float]) -> str | None:
    """Why a sample proves nothing: evidence its methods declare is absent, or is not what the subject saw."""
    missing = stack.missing(evidence)
    if missing:
        return f"no evidence that it acted: {', '.join(missing)} missing; nothing it answered counts"
    if len(stack.methods) > 1:
        return None  # the subject saw what all of them left, each tells of its own part
    for name, seen in observed.items():
        claimed = evidence.get(name)
        if claimed is not None and not math.isclose(claimed, seen, rel_tol=1e-6, abs_tol=1e-6):
            return f"its evidence says {name} is {claimed:g}, the subject has {seen:g}; nothing it answered counts"
    return None
