"""`harness selfcheck`: how small a difference this machine can resolve."""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING

import click

from harness.spec.errors import UsageError

if TYPE_CHECKING:
    from harness.config.overrides import Word
    from harness.config.words import Sweep
    from harness.engine.plan import Plan

USUAL = ("measure=standard", "task=generation", "task.context=128", "task.new_tokens=16", "task.samples=1")

EPILOG = """\b
Words are those of harness run, without a method:
  measure=strict                 the protocol to check (standard, unless said otherwise)
  measure=quick measure.processes=3   a shorter one
  task=ruler model=hf model.path=FOLDER   what is timed
  device=cpu device.threads=1    on what"""


@click.command("selfcheck", epilog=EPILOG)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--sessions", default=3, show_default=True, type=click.IntRange(min=1), help="A/A sessions.")
@click.option("--dry-run", is_flag=True, help="Check everything and say how long it takes; run nothing.")
def command(words: tuple[str, ...], sessions: int, dry_run: bool) -> None:
    """Time identity against itself: the smallest difference this machine resolves.

    Whatever differs between the two is noise, so nothing may be called different. `harness compare`
    shows the result beside timings taken in the same environment.
    """
    from harness.cli.compare import show_self_check
    from harness.cli.progress import watching
    from harness.cli.run import interrupt, say
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.plan import make_plan
    from harness.engine.selfcheck import check, check_span, timed_meters
    from harness.engine.study import register
    from harness.plugin.discovery import load
    from harness.store.connect import store_url
    from harness.store.writer import open_store

    registry = load()
    given = read(words)
    sweep = make_sweep(read([*usual(given), *words]), registry)
    refuse_unfit(given, sweep)
    plan = make_plan(sweep, registry, say)
    span = check_span(plan, sweep, sessions, timed_meters(registry))
    say(f"Self-check: {describe(plan, sweep, sessions)}, {span.words}.")
    if dry_run:
        return
    typed = shlex.join(["harness", "selfcheck", *words, *(["--sessions", str(sessions)] if sessions != 3 else [])])
    with open_store(store_url(sweep.store_url), create=True) as store:
        register(plan, sweep, store)
        signal.signal(signal.SIGTERM, interrupt)
        with watching() as watch:
            study_id = check(plan, sweep, typed, sessions, registry, store, watch)
        show_self_check(store, study_id)


def usual(given: list[Word]) -> list[str]:
    """What is not said otherwise: another task takes its own settings, another measure too."""
    keys, heads = {word.key for word in given}, {word.key for word in given if not word.rest}
    return [word for word in USUAL if word.partition("=")[0] not in keys and word.partition(".")[0] not in heads]


def refuse_unfit(given: list[Word], sweep: Sweep) -> None:
    if any(word.head in ("method", "controls") for word in given):
        raise UsageError("harness selfcheck times identity against itself; leave out method= and controls=")
    if sweep.measure.most < 2:
        raise UsageError(
            f"measure={sweep.measure.name} times fewer than two processes an arm, which shows no noise between them; "
            "use measure=standard, or add measure.processes=3"
        )


def describe(plan: Plan, sweep: Sweep, sessions: int) -> str:
    tasks = ", ".join(f"{run.bench.task.name} on {run.bench.model_name}" for run in plan.runs)
    measure = sweep.measure
    each = f"{measure.processes} to {measure.most}" if measure.most > measure.processes else str(measure.processes)
    kind, threads = plan.benches[0].device.kind, plan.benches[0].device.threads
    return (
        f"{tasks} ({kind}, {threads} thread{'s' if threads > 1 else ''}), {sessions} sessions of two arms, "
        f"{each} processes each, measure={measure.name}"
    )
