"""The cost passes: fresh processes, arms interleaved, one session a bench; untimed meters read beside them once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from harness.engine.channel import Channel, WorkerGone
from harness.engine.duration import Span, session_span
from harness.engine.events import Events
from harness.engine.plan import Bench, Plan, PlannedRun
from harness.engine.prepare import prepare, train
from harness.engine.quality import fail, open_bench
from harness.engine.stopping import Stop, judge, widest
from harness.engine.watch import Watch
from harness.plugin.contracts import Meter
from harness.plugin.sources import cache_folder
from harness.spec.errors import PluginError
from harness.spec.records import Measure, Plain, Reading
from harness.store.owners import owner
from harness.store.records import Pair, PassRecord
from harness.store.writer import Store


@dataclass
class Session:
    """Arms that are timed together; the baseline is the first."""

    bench: Bench
    arms: list[PlannedRun]
    id: int
    done: dict[int, set[int]]
    requests: list[dict[str, Plain]]


@dataclass
class Costs:
    store: Store
    watch: Watch
    timeout_s: float
    measure: Measure
    meters: list[Meter]
    events: Events
    clock: Callable[[], float] = time.monotonic

    @cached_property
    def _timed(self) -> dict[str, int]:
        return {meter.name: meter.revision for meter in self.meters if meter.timed}

    def run(self, plan: Plan) -> dict[int, int]:
        """Times what has not been timed beside its baseline; returns the session that holds each run's timings."""
        shown: dict[int, int] = {}
        sessions = []
        for bench in plan.benches if self.measure.processes else ():
            runs = [run for run in plan.on(bench) if not run.failed]
            try:
                session = self._session(bench, runs, shown)
            except PluginError as error:  # the task can't say what to time
                for run in runs:
                    self._fail(run, str(error))
                continue
            if session is not None:
                sessions.append(session)
        if sessions:
            self._announce(sessions)
        for session in sessions:
            if self._serve(session):
                shown |= {run.id: session.id for run in session.arms if not run.failed}
        return shown

    def check(self, run: PlannedRun) -> int | None:
        """Times a run beside itself; returns the session, or None where it failed."""
        session = self._open(run.bench, [run, run])
        return session.id if self._serve(session) else None

    def span(self, bench: Bench, arms: int) -> Span:
        """About how long one session takes."""
        return session_span(bench, arms, self.measure, self.meters)

    def _announce(self, sessions: Sequence[Session]) -> None:
        whole = sum((self.span(one.bench, len(one.arms)) for one in sessions), Span(0.0, 0.0))
        least, most = self.measure.processes, self.measure.most
        each = f"{least} to {most} processes" if most > least else f"{least} process{'es' if least > 1 else ''}"
        arms = sum(len(session.arms) for session in sessions)
        self.watch.say(f"Timing {arms} arms ({self.measure.name}), {each} each, {whole.words}.")
        done = sum(len(of & set(range(least))) for session in sessions for of in session.done.values())
        self.watch.begin("Cost", least * arms, done)

    def _session(self, bench: Bench, runs: Sequence[PlannedRun], shown: dict[int, int]) -> Session | None:
        """The session still to be worked through, or None; what an earlier one holds goes to `shown`."""
        baseline = next((run for run in runs if run.role == "baseline"), None)
        if baseline is None:
            return None
        others = [run for run in runs if run is not baseline]
        pairs = [Pair(run.id, baseline.id) for run in others] or [Pair(baseline.id)]
        protocol = asdict(self.measure)
        held = self.store.find_sessions(protocol, baseline.environment_id, pairs, self._timed)
        shown |= {pair.run_id: one for pair, one in zip(pairs, held, strict=True) if one is not None}
        if all(one is not None for one in held):
            last = max(one for one in held if one is not None)
            shown.setdefault(baseline.id, last)
            return None
        arms = [baseline, *(run for run, one in zip(others, held, strict=False) if one is None)]
        return self._open(bench, arms)

    def _open(self, bench: Bench, arms: list[PlannedRun]) -> Session:
        """A session of these arms: one that was broken off, else a new one."""
        requests = [bench.timed(number) for number in range(max(1, min(bench.planned, self.measure.samples)))]
        ids, protocol, home = [run.id for run in arms], asdict(self.measure), arms[0].environment_id
        number = self.store.resume_session(protocol, home, ids, owner())
        if number is None:
            number = self.store.open_session(protocol, home, ids, owner())
        return Session(bench, arms, number, self.store.processes_done(number), requests)

    def _serve(self, session: Session) -> bool:
        """Works through a session, a process of each arm at a time; whether it has timings to show."""
        began, longest_s, processes = self.clock(), 0.0, 0
        while (stop := self._stop(session, processes, self.clock() - began, longest_s)) is None:
            if processes >= self.measure.processes:
                self.watch.begin("Cost", len(session.arms))
            started = self.clock()
            for position in self._order(session, processes):
                if not self._attempt(session, processes, position):
                    self.store.close_session(session.id, "abandoned")
                    return False
            longest_s = max(longest_s, self.clock() - started)
            processes += 1
        if stop.why != "processes" or self.measure.most > 1:
            self.watch.say(f"{stop.sentence[0].upper()}{stop.sentence[1:]}.")
        for position, run in enumerate(session.arms):
            if not run.failed:
                ended = [stop.reading(processes)]
                self.store.add_readings(run.id, "session", 1, ended, session.id, position, processes - 1)
        self.store.close_session(session.id)
        return True

    def _stop(self, session: Session, processes: int, spent_s: float, next_s: float) -> Stop | None:
        going = [position for position, run in enumerate(session.arms) if not run.failed]
        return judge(self.measure, processes, spent_s, next_s, lambda: widest(self.store, session.id, going))

    def _order(self, session: Session, process: int) -> list[int]:
        """Arms still to do: A B C, then C B A, and so on, so that a drift hits all alike."""
        arms = range(len(session.arms)) if process % 2 == 0 else reversed(range(len(session.arms)))
        return [arm for arm in arms if process not in session.done.get(arm, set())]

    def _attempt(self, session: Session, process: int, position: int) -> bool:
        """One process of an arm, if it has not failed before; False where nothing is left to compare with."""
        from filelock import FileLock

        run = session.arms[position]
        if run.failed:
            return True
        lock = FileLock(cache_folder() / "timing.lock")
        try:
            lock.acquire(timeout=0)
        except TimeoutError:
            self.watch.say("Waiting: another command is timing on this machine.")
            lock.acquire()
        try:
            self._time(session, process, position)
        except WorkerGone as gone:
            self._fail(run, f"while it was timed: {gone}")
            return run is not session.arms[0]
        finally:
            lock.release()
        return True

    def _fail(self, run: PlannedRun, reason: str) -> None:
        fail(run, "failed", reason, self.store, self.events, self.watch)

    def _time(self, session: Session, process: int, position: int) -> None:
        """One fresh process of one arm: the timed meters, and the untimed ones that have not read this run."""
        bench, run = session.bench, session.arms[position]
        note = f"{run.stack.label}, process {process + 1} of {max(process + 1, self.measure.processes)}"
        self.watch.step(note, by=0)
        read = self.store.meters_read([run.id])[run.id]
        once = [one.name for one in self.meters if not one.timed and (one.name, one.revision) not in read]
        with self._channel(session) as channel:
            open_bench(channel, bench, [run])
            train(channel, bench, self.watch)
            prepare(channel, run, self.store, self.watch, lambda bench: self._channel(session))
            passes = self._read(channel, run, session.requests, [*self._timed, *once], note)
        for one in passes:
            if one.meter in once:
                self.store.add_readings(run.id, *one)
        timed = [one for one in passes if one.meter in self._timed]
        self.store.add_process(session.id, position, process, timed)
        self.watch.step(note)

    def _channel(self, session: Session) -> Channel:
        pulse = lambda: self.store.heartbeat([], owner(), session.id)  # noqa: E731
        return Channel(self.timeout_s, pulse, session.bench.python)

    def _read(
        self, channel: Channel, run: PlannedRun, requests: list[dict[str, Plain]], names: list[str], note: str
    ) -> list[PassRecord]:
        channel.tell("read", run=run.id, meters=names, requests=requests, measure=asdict(self.measure))
        passes, executed = [], 0
        for event in channel.hear("read"):
            kind: str = event["event"]
            if kind == "progress":
                executed += 1
                self.watch.step(f"{note}, request {executed}", by=0)
            elif kind == "readings":
                passes.append(PassRecord(event["meter"], event["revision"], readings(event["readings"])))
            elif kind == "error":
                raise WorkerGone(event["reason"])
        return passes


def readings(plain: list[dict[str, Any]]) -> list[Reading]:
    return [Reading(**one) for one in plain]
