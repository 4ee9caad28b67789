"""Results as pandas frames, for notebooks: reached as `harness.load_runs` and its like.

`store` is a file or an SQLAlchemy URL; without it, what `HARNESS_STORE` names, else
`results/harness.sqlite` under the current folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report.compare import compare_study
from harness.report.flat import frame
from harness.report.gather import Defaults, gather_runs, gather_study
from harness.report.model import Report
from harness.spec.errors import UsageError
from harness.store import queries
from harness.store.queries import Run
from harness.store.writer import Store

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.plugin.discovery import Registry

Where = Store | Path | str | None


def load_runs(
    store: Where = None,
    *,
    study: int | None = None,
    runs: Iterable[int] | None = None,
    method: str | None = None,
    task: str | None = None,
    model: str | None = None,
    status: str | None = None,
    tag: str | None = None,
) -> DataFrame:
    """A row a run, newest first: what it is, how far it came, every setting and its environment.

    Settings are columns by the names the command line has for them: `method.xkv.group_size`,
    `task.context`, `model.dtype`, `device.threads`. A method is found alone and in stacks.

    Raises:
        StoreError: there is no store there, or it can't be read.
        UsageError: there is no such study.
    """
    with reading(store) as opened:
        found = queries.runs(opened, method=method, task=task, model=model, status=status, tag=tag)
        ids = [int(one) for one in found["id"]]
        if study is not None or runs is not None:
            wanted = set(chosen(opened, study, runs))
            ids = [one for one in ids if one in wanted]
        return runs_frame(queries.details(opened, ids).values())


def load_samples(
    store: Where = None, *, study: int | None = None, runs: Iterable[int] | None = None, prompts: bool = False
) -> DataFrame:
    """A row a sample of a study's runs, of `runs`, or of the study last worked on.

    `score.<metric>` is the score as the task gave it, `evidence.<name>` what the method recorded,
    `observed.<name>` what the subject saw. Unknown is NaN; `prompts=True` adds each prompt's text.

    Raises:
        StoreError: there is no store there, or it can't be read.
        UsageError: there is no such study or run.
    """
    import pandas as pd

    with reading(store) as opened:
        ids = chosen(opened, study, runs)
        found = queries.samples(opened, ids)
        scores = queries.scores(opened, ids).pivot(index=["run", "number"], columns="metric", values="value")
        found = found.join(scores.add_prefix("score."), on=["run", "number"])
        for name in ("evidence", "observed"):
            told = pd.DataFrame(found.pop(name).tolist(), index=found.index)
            found = found.join(told.add_prefix(f"{name}."))
        if prompts:
            texts = {one: queries.prompt(opened, one) for one in found["prompt_hash"].unique()}
            found["prompt"] = found["prompt_hash"].map(texts)
        return labelled(opened, found)


def load_readings(store: Where = None, *, study: int | None = None, runs: Iterable[int] | None = None) -> DataFrame:
    """A row a reading of a study's runs, of `runs`, or of the study last worked on, in SI units.

    Readings without a session were made once a run; those of different sessions don't compare.
    Unknown is NaN, with a reason.

    Raises:
        StoreError: there is no store there, or it can't be read.
        UsageError: there is no such study or run.
    """
    with reading(store) as opened:
        return labelled(opened, queries.readings(opened, chosen(opened, study, runs)))


def load_comparison(store: Where = None, *, study: int | None = None, runs: Iterable[int] | None = None) -> DataFrame:
    """A row a technique and setting, as `harness export --format csv` writes it: paired with its baseline.

    Of a study, of `runs` against the first of them, or of the study last worked on.

    Raises:
        StoreError: there is no store there, or it can't be read.
        UsageError: there is no such study or run.
    """
    with reading(store) as opened:
        return frame(report_of(opened, study, runs))


# What these are made from; commands use it too.


@contextmanager
def reading(store: Where) -> Iterator[Store]:
    if isinstance(store, Store):
        yield store
        return
    from harness.store.connect import store_url
    from harness.store.writer import open_store

    with open_store(store_url(None if store is None else str(store))) as opened:
        yield opened


def report_of(store: Store, study: int | None = None, runs: Iterable[int] | None = None) -> Report:
    """The comparison of a study, of runs with the first of them, or of the study last worked on."""
    if runs is not None:
        return compare_study(gather_runs(store, several(runs), defaults()))
    return compare_study(gather_study(store, latest(store) if study is None else study, defaults()))


def chosen(store: Store, study: int | None, runs: Iterable[int] | None) -> list[int]:
    """Ids of runs, all of them there."""
    if runs is not None:
        return [queries.run(store, int(one)).id for one in runs]
    number = queries.study(store, latest(store) if study is None else study).id
    return [one.run_id for one in queries.members(store, number)]


def several(runs: Iterable[int]) -> list[int]:
    ids = [int(one) for one in runs]
    if not ids:
        raise UsageError("no run is named; name the baseline's number first, then those to compare with it")
    return ids


def latest(store: Store) -> int:
    found = queries.latest_study(store)
    if found is None:
        raise UsageError(f"there is no study in {store.place} yet; harness run +method=NAME task=NAME makes one")
    return found.id


def defaults(registry: Registry | None = None) -> Defaults:
    """What each method's knobs are when nobody sets them: a table shows those that differ."""
    from harness.plugin.discovery import load

    return {name: method().settings() for name, method in (registry or load()).methods.items()}


ABOUT = ("id", "label", "task", "model", "device", "seed", "status", "reason", "planned", "done", "tags")


def runs_frame(runs: Iterable[Run]) -> DataFrame:
    import pandas as pd

    rows = [run_row(run) for run in runs]
    found = pd.DataFrame(rows, columns=None if rows else [*ABOUT, "created", "updated"])
    found = found.rename(columns={"id": "run", "label": "method"})
    for name in ("created", "updated"):
        found[name] = pd.to_datetime(found[name], unit="s", utc=True)
    return found


def run_row(run: Run) -> dict[str, Any]:
    spec = run.spec
    settings = {f"method.{one['name']}.{knob}": value for one in spec["stack"] for knob, value in one["knobs"].items()}
    for kind in ("task", "model"):
        settings |= {f"{kind}.{knob}": value for knob, value in spec[kind]["knobs"].items()}
    row = {name: getattr(run, name) for name in (*ABOUT, "created", "updated")}
    return {
        **row,
        "tags": " ".join(run.tags),
        **{name: cell(value) for name, value in settings.items()},
        "device.threads": spec["device"]["threads"],
        **{f"environment.{name}": cell(value) for name, value in run.facts.items()},
    }


def cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | Mapping) else value


def labelled(store: Store, rows: DataFrame) -> DataFrame:
    """With the method and task of each row's run beside its number."""
    runs = queries.details(store, rows["run"].unique().tolist())
    for place, (name, attribute) in enumerate({"method": "label", "task": "task", "seed": "seed"}.items(), start=1):
        words = {number: getattr(run, attribute) for number, run in runs.items()}
        rows.insert(place, name, rows["run"].map(words))
    return rows
