"""What methods train, calibrate or build first: done once, kept in the cache under everything that made it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from harness.engine.channel import Channel, WorkerGone
from harness.engine.plan import PlannedRun
from harness.engine.watch import Watch
from harness.plugin.blame import blaming
from harness.plugin.sources import cache_folder
from harness.spec.identity import digest
from harness.spec.records import Reading
from harness.store.writer import Store

METER, REVISION = "prepare", 1


def artifacts(run: PlannedRun) -> list[Path | None]:
    """Where each member of the run's stack finds what it prepared, None where that is not there (yet)."""
    return [path if path is not None and path.exists() else None for path in places(run)]


def places(run: PlannedRun) -> list[Path | None]:
    """The artifacts' folders; None for members that prepare nothing."""
    return [
        cache_folder() / "artifacts" / f"{method.name.replace('/', '-')}-{digest([run.identity, member])[:16]}"
        if method.traits.prepares
        else None
        for member, method in enumerate(run.stack.methods)
    ]


def prepare(channel: Channel, run: PlannedRun, store: Store, watch: Watch) -> None:
    """Has an open worker prepare what is missing for a run. Two commands never prepare the same thing at once.

    Raises:
        WorkerGone: it could not.
        PluginError, SourceError: a method can't give what it prepares from.
    """
    from filelock import FileLock

    for member, place in enumerate(places(run)):
        if place is None:
            continue
        costs = place.with_suffix(".json")
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            if not (place.exists() and costs.exists()):
                readings = fill(channel, run, member, place, lambda: watch.step(f"{run.stack.label} prepares", by=0))
                costs.write_text(json.dumps([asdict(one) for one in readings]))
        kept = [Reading(**one) for one in json.loads(costs.read_text())]
        store.add_readings(run.id, METER, REVISION, kept, position=member)


def fill(channel: Channel, run: PlannedRun, member: int, place: Path, progress: Callable[[], None]) -> list[Reading]:
    method, bench = run.stack.methods[member], run.bench
    with blaming(method, "give what it prepares from"):
        materials = method.materials(bench.processor, bench.seed)
    with blaming(bench.task, "give what methods train on"):
        given = method.traits.prepares in ("trains", "builds")
        training = bench.task.training(bench.processor, bench.seed) if given else {}
    scratch = place.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    channel.tell(
        "prepare",
        run=run.id,
        member=member,
        folder=str(scratch),
        artifact=str(place),
        seed=bench.seed,
        materials=materials,
        training=training,
    )
    readings: list[Reading] = []
    for event in channel.hear("prepared"):
        if event["event"] == "error":
            raise WorkerGone(f"while {method.name} prepared: {event['reason']}")
        if event["event"] == "prepared":
            readings = [Reading(**one) for one in event["readings"]]
        progress()
    shutil.rmtree(place, ignore_errors=True)
    scratch.rename(place)
    return readings
