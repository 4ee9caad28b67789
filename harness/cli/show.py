"""`harness show`: one run, with everything that is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import click

from harness.cli.compare import stored
from harness.cli.ls import show, status_of

if TYPE_CHECKING:
    from harness.store.queries import Run
    from harness.store.writer import Store


@click.command("show")
@click.argument("run", type=int)
@click.option("--samples", is_flag=True, help="Every sample: target, answer, scores, evidence.")
@click.option("--prompt", type=int, metavar="NUMBER", help="The prompt of one sample.")
@click.option("--store", "url", help="The store, as an SQLAlchemy URL or a file. Default: results/harness.sqlite")
def command(run: int, samples: bool, prompt: int | None, url: str | None) -> None:
    """Show everything known of one run: settings, environment, sources, readings, evidence."""
    from harness.store import queries

    with stored(url) as store:
        found = queries.run(store, run)
        if prompt is not None:
            show_prompt(store, found, prompt)
            return
        show_facts(found)
        show_readings(store, found)
        if samples:
            show_samples(store, found)
        else:
            print(f"\nharness show {run} --samples shows each sample, --prompt NUMBER its prompt.")


def show_facts(run: Run) -> None:
    print(f"Run {run.id}: {run.label} on {run.task}, {run.model}, {run.device}, seed {run.seed}")
    print(f"{status_of(vars(run))}, {run.done} of {run.planned} samples{f': {run.reason}' if run.reason else ''}\n")
    facts = [("identity", run.key), ("core", run.about.get("core", "")), ("tags", " ".join(run.tags))]
    facts += [(f"method {one['name']}", settings(one["knobs"])) for one in run.spec["stack"]]
    facts += [(kind, settings(run.spec[kind]["knobs"])) for kind in ("task", "model")]
    facts += [("device", settings(run.spec["device"]))]
    facts += [(name, settings(run.about.get(name) or {})) for name in ("nominal", "conditions")]
    facts += [("note", note) for note in run.about.get("notes", [])]
    facts += [("source", source_words(one)) for one in run.sources]
    facts += [("environment", settings(run.facts))]
    facts += [("code", settings({name: digest[:12] for name, digest in run.identity.get("code", {}).items()}))]
    show(["", ""], facts)


def settings(knobs: dict[str, Any]) -> str:
    return "  ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in knobs.items()
    )


def source_words(source: Any) -> str:
    parts = [source.name, str(source.count), source.split, source.sha256 and f"sha256 {source.sha256}", source.note]
    return ", ".join(part for part in parts if part)


def show_readings(store: Store, run: Run) -> None:
    from harness.store import queries

    frame = queries.readings(store, [run.id])
    rows = [
        (
            one["metric"], known(one["value"]), one["unit"],
            one["source"], place(one), one["reason"] if isinstance(one["reason"], str) else "",
        )
        for one in frame.astype(object).to_dict("records")
    ]  # fmt: skip
    if rows:
        print()
        show(["reading", "value", "unit", "source", "where", "reason"], rows)


def place(reading: Mapping[Any, Any]) -> str:
    named = (("session", reading["session"]), ("process", reading["process"]), ("sample", reading["sample"]))
    return " ".join(f"{name} {value}" for name, value in named if isinstance(value, int))


def show_samples(store: Store, run: Run) -> None:
    from harness.store import queries

    scores = queries.scores(store, [run.id])
    print()
    rows = []
    for one in queries.samples(store, [run.id]).to_dict("records"):
        mine = scores[scores["number"] == one["number"]]
        points = " ".join(f"{row.metric}={known(row.value)}" for row in mine.itertuples())
        rows.append(
            (
                one["number"], one["stratum"], json.dumps(one["target"]), json.dumps(one["answer"]), points,
                settings({name: round(value, 3) for name, value in one["evidence"].items()}),
            )
        )  # fmt: skip
    show(["sample", "stratum", "target", "answer", "scores", "evidence"], rows)


def known(value: float) -> str:
    return "unknown" if isnan(value) else f"{value:g}"


def show_prompt(store: Store, run: Run, number: int) -> None:
    from harness.spec.errors import UsageError
    from harness.store import queries

    frame = queries.samples(store, [run.id])
    found = frame[frame["number"] == number]
    if found.empty:
        raise UsageError(f"run {run.id} has no sample {number}; harness show {run.id} --samples lists them")
    print(queries.prompt(store, found.iloc[0]["prompt_hash"]) or "(no prompt is kept)")
