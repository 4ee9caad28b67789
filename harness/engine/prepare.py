"""What is trained, calibrated or built first: done once, kept in the cache under everything that made it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from harness.engine.channel import Channel, WorkerGone
from harness.engine.plan import BASELINE, Bench, PlannedRun, deciding
from harness.engine.watch import Watch
from harness.plugin.blame import blaming
from harness.plugin.sources import cache_folder
from harness.spec.identity import digest
from harness.spec.records import Plain, Reading
from harness.store.writer import Store

METER, REVISION = "prepare", 2
TOLD = ("prepare_s", "prepare_energy_j", "prepare_flops")  # of a model that another is prepared with


def places(run: PlannedRun) -> list[Path | None]:
    """Where each member of the run's stack finds what it prepared, once it has; None for those that prepare nothing."""
    return [
        kept(f"{method.name.replace('/', '-')}-{digest([made_by(run, member), member])[:16]}")
        if method.traits.prepares
        else None
        for member, method in enumerate(run.stack.methods)
    ]


def made_by(run: PlannedRun, member: int) -> dict[str, Plain]:
    """What decides what a member prepares: the run's identity without settings that only matter afterwards."""
    stack = list(run.identity["stack"])
    stack[member] = deciding(run.stack.methods[member], stack[member])
    return {**run.identity, "stack": stack, "task": deciding(run.bench.task, run.identity["task"])}


def trained(bench: Bench) -> Path | None:
    """Where a bench's model, trained, is kept; None for one that comes trained."""
    return kept(f"{bench.model.name.replace('/', '-')}-{bench.made_of[:16]}") if bench.made_of else None


def kept(name: str) -> Path:
    return cache_folder() / "artifacts" / name


def told(bench: Bench) -> dict[str, Plain]:
    """What a worker is told of a model."""
    place = trained(bench)
    return {
        "model": {"name": bench.model.name, "knobs": bench.model.settings()},
        "location": bench.location,
        "trained": str(place) if place is not None and place.exists() else None,
    }


def train(channel: Channel, bench: Bench, watch: Watch) -> list[Reading]:
    """Has an open worker train its model, unless that was done before; what it cost, then or now.

    Raises:
        WorkerGone: it could not.
    """
    place = trained(bench)
    if place is None:
        return []
    with missing(place) as fill:
        if fill:
            ask(channel, watch, bench.model_name, place, run=None, member=0, seed=bench.seed, training=bench.training)
    channel.tell("restore", folder=str(place))
    for event in channel.hear("restored"):
        if event["event"] == "error":
            raise WorkerGone(f"{bench.model_name} can't be restored from {place}: {event['reason']}")
    return costs(place)


def prepare(channel: Channel, run: PlannedRun, store: Store, watch: Watch, another: Callable[[Bench], Channel]) -> None:
    """Has an open worker prepare what is missing for a run. Two commands never prepare the same thing at once.

    The worker's own model is trained by then (`train`).
    `another` starts a worker for each model that is to be trained first.

    Raises:
        WorkerGone: it could not.
        PluginError, SourceError: a method can't give what it prepares from.
    """
    bench = run.bench
    if run.stack.label == BASELINE and (own := trained(bench)):
        store.add_readings(run.id, METER, REVISION, costs(own), position=0)
    for member, (place, method) in enumerate(zip(places(run), run.stack.methods, strict=True)):
        if place is None:
            continue
        inputs, teaching = run.inputs[member], list[Reading]()
        for name, one in inputs.items():
            taken = trained_apart(one, watch, another)
            teaching += [replace(cost, metric=f"{name}_{cost.metric}") for cost in taken if cost.metric in TOLD]
        with missing(place) as fill:
            if fill:
                with blaming(method, "give what it prepares from"):
                    materials = method.materials(bench.processor, bench.seed)
                ask(
                    channel,
                    watch,
                    method.name,
                    place,
                    run=run.id,
                    member=member,
                    seed=bench.seed,
                    materials=materials,
                    training=bench.training,
                    inputs={name: told(one) for name, one in inputs.items()},
                )
        store.add_readings(run.id, METER, REVISION, [*costs(place), *teaching], position=member)


def trained_apart(bench: Bench, watch: Watch, another: Callable[[Bench], Channel]) -> list[Reading]:
    """What it cost to train a model that another is prepared with; in a worker of its own where that is to be done."""
    place = trained(bench)
    if place is None:
        return []
    if place.exists() and costs_file(place).exists():
        return costs(place)
    with another(bench) as channel:
        channel.tell("open", **told(bench), device=bench.device.plain(), runs=[])
        for event in channel.hear("ready"):
            if event["event"] == "error":
                raise WorkerGone(event["reason"])
        return train(channel, bench, watch)


@contextmanager
def missing(place: Path) -> Iterator[bool]:
    """Whether it is to be prepared; another command that prepares the same is waited for."""
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_suffix(".lock")):
        yield not (place.exists() and costs_file(place).exists())


def costs_file(place: Path) -> Path:
    return place.with_suffix(".json")


def costs(place: Path) -> list[Reading]:
    return [Reading(**one) for one in json.loads(costs_file(place).read_text())]


def ask(channel: Channel, watch: Watch, who: str, place: Path, **given: Plain) -> None:
    """Has a worker fill a folder, and moves it to its place with what it cost."""
    folder, scratch = place.with_suffix(".part"), place.with_suffix(".scratch")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    scratch.mkdir(exist_ok=True)
    known: dict[str, Plain] = {"materials": {}, "inputs": {}, "artifact": str(place)}
    channel.tell("prepare", folder=str(folder), scratch=str(scratch), **{**known, **given})
    for event in channel.hear("prepared"):
        if event["event"] == "error":
            raise WorkerGone(f"while {who} prepared: {event['reason']}")
        if event["event"] == "prepared":
            costs_file(place).write_text(json.dumps([asdict(Reading(**one)) for one in event["readings"]]))
        note = event.get("note")
        watch.step(f"{who}, seed {given['seed']}, prepares{f': {note}' if note else ''}", by=0)
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)
    shutil.rmtree(scratch, ignore_errors=True)
