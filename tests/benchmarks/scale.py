"""Stores of any size, made in seconds: a sweep of the toy laboratory whose every run is finished and timed.

    python tests/benchmarks/scale.py STORE --settings 99 --seeds 100 --samples 100

gives 10,000 runs, baselines included, and a million samples. The runs are those of the command it prints: in the
toy laboratory that command finds nothing left to do. What is in them is made up, the same on every machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Float, Integer, Text, case, cast, insert, literal, select

from harness.store import tables

TOYS = Path(__file__).parents[1] / "engine" / "toys"


class Size(NamedTuple):
    settings: int
    seeds: int
    samples: int

    @property
    def runs(self) -> int:
        return (self.settings + 1) * self.seeds

    @property
    def words(self) -> list[str]:
        """Of the command whose runs these are."""
        return [
            "+method=shift",
            f"method.shift.by={','.join(map(str, range(1, self.settings + 1)))}",
            f"seed={','.join(map(str, range(self.seeds)))}",
            "task=counting",
            f"task.samples={self.samples}",
            "model=counter",
            "device=cpu",
            "device.threads=1",
        ]


def fill(url: str, size: Size) -> int:
    """Stores the runs of a command as if it had finished, and returns its study."""
    from dataclasses import asdict

    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.plan import make_plan
    from harness.engine.study import member, register
    from harness.plugin.discovery import load
    from harness.store.writer import open_store

    registry = load()
    sweep = make_sweep(read(size.words), registry)
    plan = make_plan(sweep, registry, lambda text: None)
    with open_store(url, create=True) as store:
        register(plan, sweep, store)
        study_id = store.open_study(sweep.command, sweep.measure.name, [member(run) for run in plan.runs])
        add_samples(store, size.samples)
        sessions = {}
        for bench in plan.benches:
            ids, home = [run.id for run in plan.on(bench)], plan.on(bench)[0].environment_id
            one = store.open_session(asdict(sweep.measure), home, ids, "made:1:0.0")
            sessions |= dict.fromkeys(ids, one)
            store.close_session(one)
        meters = [meter() for meter in registry.meters.values()]
        for meter in meters:
            add_readings(store, meter, sweep.measure.samples)
        store.set_member_sessions(study_id, {place: sessions[run.id] for place, run in enumerate(plan.runs)})
        store.settle((run.id for run in plan.runs), "made:1:0.0")
        store.close_study(study_id, "done")
    return study_id


def add_studies(url: str, kept: int) -> None:
    """A study for each seed of what `fill` stored; the comparisons of the last `kept` are kept, as when they ended."""
    from harness.report.finish import finish
    from harness.report.load import defaults
    from harness.store import queries
    from harness.store.records import MemberRecord
    from harness.store.writer import open_store

    with open_store(url, create=True) as store:
        members = queries.members(store, 1)
        baselines = {one.baseline_id or one.run_id for one in members}
        for place, baseline in enumerate(sorted(baselines)):
            mine = [one for one in members if baseline in (one.run_id, one.baseline_id)]
            records = [MemberRecord(one.run_id, one.role, one.baseline_id, one.session_id) for one in mine]
            study = store.open_study(f"harness run +method=shift seed={place}", "quick", records)
            store.close_study(study, "done")
            if place >= len(baselines) - kept:
                finish(store, study, defaults())


def numbers(count: int):
    """0, 1, ... as a table."""
    one = select(literal(0, Integer).label("number")).cte("numbers", recursive=True)
    return one.union_all(select(one.c.number + 1).where(one.c.number < count - 1))


def add_samples(store, count: int) -> None:
    run, number = tables.run.c, numbers(count)
    columns = {
        "run_id": run.id,
        "number": number.c.number,
        "stratum": case((number.c.number % 2 == 1, "odd"), else_="even"),
        "prompt_hash": literal("prompt ").concat(cast(number.c.number, Text)),
        "target": literal(2, tables.sample.c.target.type),
        "output": literal({"value": 2}, tables.sample.c.output.type),
        "answer": cast(2 * number.c.number, Text),
        "evidence": literal({"kept": 7}, tables.sample.c.evidence.type),
        "observed": literal({"kept": 7}, tables.sample.c.observed.type),
        "created": literal(0.0, Float),
    }
    hit = (run.id * 7919 + number.c.number * 104_729) % 101 < 70  # no pattern that a comparison could fall into
    scores = {
        "run_id": run.id,
        "number": number.c.number,
        "metric": literal("right"),
        "value": case((hit, 1.0), else_=0.0),
    }
    prompts = {"hash": columns["prompt_hash"], "text": literal("double ").concat(cast(number.c.number, Text))}
    with store.write() as connection:
        for table, row in ((tables.sample, columns), (tables.score, scores)):
            rows = select(*row.values()).select_from(tables.run.join(number, literal(True)))
            connection.execute(insert(table).from_select(list(row), rows))
        connection.execute(insert(tables.prompt).from_select(list(prompts), select(*prompts.values())))


def add_readings(store, meter, count: int) -> None:
    """What a meter has read of every run: a value for each sample of a timed one, else one."""
    arm, number = tables.arm.c, numbers(count if meter.timed else 1)
    row = {
        "run_id": arm.run_id,
        "session_id": arm.session_id if meter.timed else literal(None, Integer),
        "position": arm.position if meter.timed else literal(None, Integer),
        "process": literal(0 if meter.timed else None, Integer),
        "sample": number.c.number if meter.timed else literal(None, Integer),
        "meter": literal(meter.name),
        "meter_revision": literal(meter.revision),
        "metric": literal("latency_s" if meter.name == "latency" else f"{meter.name}_made_up"),
        "value": 1.0 + (arm.run_id * 7919 + number.c.number * 104_729) % 101 / 1000.0,
        "unit": literal("s" if meter.timed else "B"),
        "source": literal("made up"),
        "created": literal(0.0, Float),
    }
    with store.write() as connection:
        rows = select(*row.values()).select_from(tables.arm.join(number, literal(True)))
        connection.execute(insert(tables.reading).from_select(list(row), rows))


def toy_laboratory() -> None:
    """Has plugins be found as the tests of the engine have them."""
    sys.path.insert(0, str(TOYS))
    os.environ.setdefault("HARNESS_PLUGINS", "toy_lab,identity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="file or SQLAlchemy URL")
    parser.add_argument("--settings", type=int, default=99, help="of the method, each beside a baseline")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--studies", type=int, metavar="KEPT", help="a study for each seed too; keep so many compared")
    asked = parser.parse_args()
    toy_laboratory()
    from harness.store.connect import store_url

    size = Size(asked.settings, asked.seeds, asked.samples)
    study = fill(store_url(asked.store), size)
    if asked.studies is not None:
        add_studies(store_url(asked.store), asked.studies)
    print(f"study {study}: {size.runs} runs, {size.runs * size.samples} samples, of the command")
    print(f"  HARNESS_PLUGINS=toy_lab,identity PYTHONPATH={TOYS} harness run {' '.join(size.words)}")


if __name__ == "__main__":
    main()
