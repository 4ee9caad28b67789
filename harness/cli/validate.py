"""`harness validate`: everything `harness run` would check and plan, and nothing of what it would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from harness.cli.ls import show
from harness.cli.run import say, show_plan

if TYPE_CHECKING:
    from harness.config.words import Sweep
    from harness.engine.plan import Bench, Plan, PlannedRun
    from harness.plugin.contracts import Model
    from harness.plugin.discovery import Registry
    from harness.spec.records import Measure, Setting

EPILOG = """\b
Words are those of `harness run`, whose --dry-run is the same as this.
Exit codes: 0 it can run, 1 a model or data can't be had, 2 the words ask for something that can't be.
"""


@click.command("validate", epilog=EPILOG)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--fetch", is_flag=True, help="Fetch models that are not here yet, so that all can be checked.")
def command(words: tuple[str, ...], fetch: bool) -> None:
    """Resolve, check and estimate what `harness run WORDS` would do. Runs nothing, writes nothing to the store."""
    validate(words, fetch)


def validate(words: Iterable[str], fetch: bool = False) -> None:
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.plan import build_pair, build_stack, check_light, make_plan
    from harness.plugin.discovery import load

    registry = load()
    sweep = make_sweep(read(words), registry)
    absent = [] if fetch else lacking(sweep, registry)
    if absent:
        for point in sweep.points:
            check_light(registry, build_stack(registry, point.stack), *build_pair(registry, point))
        print(f"The words fit together: {len(sweep.points)} runs, besides baselines and controls.")
        print(
            f"Not on this machine yet: {', '.join(absent)}. What depends on it (sizes, context length, time) was not "
            "checked; --fetch fetches it now, a run would."
        )
        return
    plan = make_plan(sweep, registry, say)
    where = learn(plan, sweep)
    show_plan(plan, sweep, print)
    print(timing(plan, sweep.measure, registry))
    print(where)
    for bench in plan.benches:
        show_bench(bench, plan.on(bench))


def lacking(sweep: Sweep, registry: Registry) -> list[str]:
    """Models that would have to be fetched, by the name they were asked for."""
    models: dict[str, Model] = {
        point.model_name: registry.model(point.model.name).build(point.model.knobs) for point in sweep.points
    }
    return [name for name, model in models.items() if model.present() is False]


def learn(plan: Plan, sweep: Sweep) -> str:
    """Tells the plan's runs what the store has of them; returns where that is, in a sentence."""
    from harness.engine.environment import environment
    from harness.store import queries
    from harness.store.connect import Place, explained, store_url
    from harness.store.schema import SCHEMA, look
    from harness.store.writer import open_store

    url = store_url(sweep.store_url)
    place = Place.parse(url)
    with explained(place):
        schema = look(place)
    if schema is None:
        return f"Store: {place}, which a run makes."
    if schema != SCHEMA:
        return f"Store: {place}, of an older harness; a run would upgrade it, what it holds was not looked at."
    with open_store(url) as store:
        held = 0
        for home, runs in plan.by_environment().items():
            ids = queries.ids_of(store, [run.key for run in runs], environment(home)[0])
            done, held = store.done_by_run(ids.values()), held + len(ids)
            for run in runs:
                if run.key in ids:
                    run.learn(done[ids[run.key]])
    return f"Store: {place}, which holds {held} of the {len(plan.runs)} runs."


def timing(plan: Plan, measure: Measure, registry: Registry) -> str:
    """How much is timed, and how long that takes where the models can say."""
    from harness.engine.duration import Span, session_span

    if not measure.processes:
        return "Timing: none."
    meters = [meter() for meter in registry.meters.values()]
    spans = [session_span(bench, len(plan.on(bench)), measure, meters) for bench in plan.benches]
    arms = f"{len(plan.runs)} runs, {measure.processes} fresh processes each"
    return f"Timing: {arms}, {sum(spans, Span(0.0, 0.0)).words}, less what is timed already."


def show_bench(bench: Bench, runs: Iterable[PlannedRun]) -> None:
    """What its runs share, then each."""
    from harness.report.settings import settings_text, telling

    def told(*plugins: Setting) -> str:
        knobs = telling(plugins, (), {})
        return settings_text({name: value for name, value in knobs.items() if value != "null"})

    device, spec = bench.device, next(iter(runs)).spec
    print(f"\n{bench.task.name} on {bench.model_name}, {device.kind}, {device.threads} threads, seed {bench.seed}")
    print(f"{bench.task.name}: {told(spec.task)}")
    print(f"{bench.model.name}: {told(spec.model)}")
    rows = [(run.role, run.stack.label, told(*run.spec.stack), f"{len(run.done)}/{bench.planned} done") for run in runs]
    show(["role", "method", "settings", "samples"], rows)
