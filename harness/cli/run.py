"""`harness run`: plan, run what is missing, compare."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING

import click

from harness.cli.progress import watching
from harness.spec.errors import HarnessError

if TYPE_CHECKING:
    from harness.config.words import Sweep
    from harness.engine.plan import Plan, PlannedRun
    from harness.plugin.discovery import Registry
    from harness.store.writer import Store

EPILOG = """\b
Words are key=value, as in Hydra. A comma sweeps, [a,b] stacks in order:
  +method=xkv,snapkv            two methods, each beside the baseline
  "+method=[streaming_llm,xkv]" both at once, in this order
  method.xkv.group_size=4       a setting of one method
  method.all.compression_ratio=0.25,0.5   of every method that has it
  task=ruler task.context=2048  a task and its settings
  model=hf model.path=FOLDER    any causal language model transformers can load
  device=cpu device.threads=2   seed=0,1,2   measure=quick   tags=[mine]
  store.url=sqlite:///my.sqlite worker.timeout=1800   controls=false
See also: harness ls methods, harness ls tasks."""


@click.command("run", epilog=EPILOG)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--dry-run", is_flag=True, help="Check everything and print the plan; run nothing. See harness validate.")
@click.option(
    "--rerun", is_flag=True, help="Do finished work again, as new runs; those there are stay, tagged superseded."
)
def command(words: tuple[str, ...], dry_run: bool, rerun: bool) -> None:
    """Run methods on a task beside their baseline, and compare.

    What is already in the store is not done again: the same command continues where it was stopped.
    """
    if dry_run:
        from harness.cli.validate import validate

        validate(words)
        return
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.plan import make_plan
    from harness.plugin.discovery import load
    from harness.store.connect import store_url
    from harness.store.writer import open_store

    registry = load()
    sweep = make_sweep(read(words), registry)
    url = store_url(sweep.store_url)
    plan = make_plan(sweep, registry, say)
    with open_store(url, create=True) as store:
        run_plan(plan, sweep, registry, store, rerun)


def run_plan(plan: Plan, sweep: Sweep, registry: Registry, store: Store, rerun: bool = False) -> None:
    from harness.engine.study import execute, register

    register(plan, sweep, store, rerun)
    show_plan(plan, sweep, say)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with watching() as watch:
            outcome = execute(plan, sweep, registry, store, watch, prepare_table)
    except KeyboardInterrupt:
        done = sum(len(run.done) for run in plan.runs)
        say(
            f"\nStopped. {done} of {samples_planned(plan)} samples are done and kept in {store.place}. "
            f"Go on with:\n  {sweep.command}"
        )
        raise
    show_study(store, outcome.study_id)
    if outcome.failures:
        raise HarnessError(failures_summed_up(outcome.failures))


def show_study(store: Store, study_id: int) -> None:
    """What a study came to, which is kept in the store from now on."""
    from harness.report.finish import finish
    from harness.report.load import defaults
    from harness.report.tables import show

    show(finish(store, study_id, defaults()).report)


def prepare_table() -> None:
    """Imports what the table at the end needs, which takes seconds."""
    for name in ("pandas", "scipy.optimize", "scipy.stats", "harness.report.tables", "harness.report.finish"):
        import_module(name)


def samples_planned(plan: Plan) -> int:
    return sum(run.bench.planned for run in plan.runs)


def failures_summed_up(failures: Sequence[PlannedRun]) -> str:
    told = Counter(f"  {run.stack.label} on {run.bench.task.name}: {run.failed}" for run in failures)
    lines = [line if count == 1 else f"{line} ({count} runs)" for line, count in told.items()]
    return "\n".join([f"{len(failures)} of the runs failed; the same command tries them again:", *lines])


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def show_plan(plan: Plan, sweep: Sweep, tell: Callable[[str], None]) -> None:
    """What will run, and about how long it takes, before it starts."""
    from harness.engine.duration import duration

    planned, done = samples_planned(plan), sum(len(run.done) for run in plan.runs)
    arms = Counter(run.stack.label for run in plan.runs)
    names = ", ".join(f"{label} ×{count}" if count > 1 else label for label, count in arms.items())
    tasks = ", ".join(sorted({bench.task.name for bench in plan.benches}))
    models = ", ".join(sorted({bench.model_name for bench in plan.benches}))
    device = plan.benches[0].device
    tell(f"Plan: {len(plan.runs)} runs ({names}) of {tasks} on {models}, {device.kind}, {device.threads} threads.")
    for home, runs in plan.by_environment().items():
        if home:
            tell(f"In environment {home}: {', '.join(dict.fromkeys(run.stack.label for run in runs))}.")
    seconds = plan.seconds()
    guess = "" if seconds is None or done == planned else f", about {duration(seconds)} (a rough guess)"
    timed = "timed after it" if sweep.measure.processes else "nothing is timed"
    tell(f"Quality: {planned} samples, {done} done{guess}. Cost: measure={sweep.measure.name}, {timed}.")
    for note in dict.fromkeys(note for run in plan.runs for note in run.cautions):
        tell(f"Note: {note}.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
