"""Single samples: over the runs of a study, in two runs, in all of them."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from harness.report.model import shown_metrics
from harness.spec.errors import UsageError
from harness.spec.records import Metric
from harness.store import browse, queries
from harness.store.browse import Hard
from harness_dashboards.app import Site
from harness_dashboards.asking import number, of_samples, paging, settings_of
from harness_dashboards.comparisons import MOMENT_S
from harness_dashboards.words import LONG, plain

SHOWS = {
    "": "every sample",
    "none": "no run right",
    "one": "only one run right",
    "some": "runs differ",
    "all": "all runs right",
}


def explorer(site: Site, request: Request) -> Response:
    """Where do all fail, and which samples does only one get right?"""
    study = queries.study(site.store, request.path_params["study"])
    asked = asked_of(site, request, study.id)
    found = hard(site, study.id, asked)
    title = f"Samples of study {study.id}"
    if found is None:
        return site.page("waiting.html", title, what=f"{title} are being counted", inside="Studies", live=1)
    show, page = request.query_params.get("show", ""), number(request, "page")
    mine = [one for one in found if show in ("", kind(one))]
    rows = mine[(page - 1) * browse.SIZE : page * browse.SIZE]
    return site.page(
        "explorer.html",
        title,
        study=study,
        rows=rows,
        labels=labels(site, found, rows),
        counts=Counter(kind(one) for one in found),
        alone=Counter(one.only for one in found if one.only is not None).most_common(8),
        shows=SHOWS,
        show=show,
        asked=asked,
        paging=paging(request, len(mine), page),
        live=0,
    )


def asked_of(site: Site, request: Request, study_id: int) -> dict[str, Any]:
    """The metric, and from which score on a sample counts as right."""
    metrics = metrics_in(site, study_id)
    if not metrics:
        return {"metrics": {}, "metric": None, "least": 0.0, "words": {}}
    name = request.query_params.get("metric") or next(iter(metrics))
    if name not in metrics:
        raise UsageError(f"study {study_id} has no metric {name!r} (it has: {', '.join(metrics)})")
    metric, given = metrics[name], request.query_params.get("least", "")
    try:
        least = float(given) if given else default_least(metric)
    except ValueError:
        raise UsageError(f"least is a number, in {metric.unit or 'the unit of the metric'}, got {given!r}") from None
    words = {key: value for key, value in (("metric", request.query_params.get("metric")), ("least", given)) if value}
    return {"metrics": metrics, "metric": metric, "least": least, "words": words}


def default_least(metric: Metric) -> float:
    """Half of what a share can reach; of anything else there is no such number, and 0 says so."""
    return 50.0 if metric.unit == "%" else 0.0


def metrics_in(site: Site, study_id: int) -> dict[str, Metric]:
    """Of the first run of each task in a study."""
    runs = queries.details(site.store, [row.id for row in browse.run_tasks(site.store, study_id)]).values()
    return {metric.name: metric for run in runs for metric in of_samples(run.about)}


def hard(site: Site, study_id: int, asked: dict[str, Any], wait_s: float = MOMENT_S) -> list[Hard] | None:
    """None while it is counted."""
    metric: Metric | None = asked["metric"]
    if metric is None:
        return []
    least = asked["least"] / metric.scale
    found: list[Hard] | None = site.comparisons.of(
        f"samples {study_id} {metric.name} {least}",
        browse.study_changed(site.store, study_id),
        lambda: browse.hardness(site.store, study_id, metric.name, least, metric.higher_is_better),
        wait_s,
        nullcontext(),  # the database works, not we
    )
    return found


def kind(one: Hard) -> str:
    if one.right == 0:
        return "none"
    if one.right == one.asked:
        return "all"
    return "one" if one.right == 1 else "some"


def labels(site: Site, found: list[Hard], rows: list[Hard]) -> dict[int, str]:
    """What the runs that alone got a sample are called."""
    ids = {one.only for one in rows if one.only is not None}
    ids |= {run for run, _ in Counter(one.only for one in found if one.only is not None).most_common(8)}
    runs = queries.details(site.store, sorted(ids))
    told = {number: settings_of(site, run.spec) for number, run in runs.items()}
    return {number: f"{run.label} ({told[number]})" if told[number] else run.label for number, run in runs.items()}


def sample(site: Site, request: Request) -> Response:
    """One sample: its prompt, and what every run of a study answered."""
    study_id, run_id, place = (request.path_params[name] for name in ("study", "run", "number"))
    page = number(request, "page")
    found = browse.answers(site.store, run_id, place, study_id, LONG, page)
    if not found.rows:
        raise UsageError(f"run {run_id} of study {study_id} has no sample {place}")
    first = found.rows[0]
    run_ = queries.run(site.store, run_id)
    return site.page(
        "sample.html",
        f"Sample {place}",
        study=queries.study(site.store, study_id),
        run=run_,
        place=place,
        stratum=first["stratum"],
        target=first["target"],
        prompt=browse.prompt_of(site.store, first["prompt_hash"], LONG),
        answers=[{**row, "settings": settings_of(site, row["spec"])} for row in found.rows],
        metrics=shown_metrics(run_.about),
        paging=paging(request, found.total, page),
        live=0,
    )


# Two runs.


def against(site: Site, request: Request) -> Response:
    """Two runs sample by sample, those first that changed most."""
    before, after = (queries.run(site.store, request.path_params[name]) for name in ("before", "run"))
    metric, page = shared_metric(before, after, request.query_params.get("metric", "")), number(request, "page")
    found, tally = browse.against(site.store, before.id, after.id, metric.name, page)
    return site.page(
        "against.html",
        f"Run {after.id} against run {before.id}",
        before=before,
        after=after,
        metric=metric,
        metrics=shared(before, after),
        rows=found.rows,
        tally=tally,
        differences=differences(before, after),
        study=common_study(site, before.id, after.id),
        paging=paging(request, found.total, page),
        live=0,
    )


def shared(before: queries.Run, after: queries.Run) -> list[Metric]:
    return [one for one in of_samples(before.about) if one in of_samples(after.about)]


def shared_metric(before: queries.Run, after: queries.Run, name: str) -> Metric:
    """By name, else the first that both runs have."""
    found = {one.name: one for one in shared(before, after)}
    if not found:
        raise UsageError(f"runs {before.id} and {after.id} have no metric of single samples in common")
    if name and name not in found:
        raise UsageError(f"there is no metric {name!r} here (there are: {', '.join(found)})")
    return found[name or next(iter(found))]


def differences(before: queries.Run, after: queries.Run) -> list[tuple[str, str, str]]:
    """Settings and surroundings that are not the same."""
    mine, theirs = (flat(one.spec) | {f"environment.{k}": v for k, v in one.facts.items()} for one in (before, after))
    names = list(dict.fromkeys([*mine, *theirs]))
    return [
        (name, plain(mine.get(name)), plain(theirs.get(name))) for name in names if mine.get(name) != theirs.get(name)
    ]


def flat(spec: dict[str, Any]) -> dict[str, Any]:
    found = {"method": "+".join(one["name"] for one in spec["stack"])}
    found |= {f"method.{one['name']}.{knob}": value for one in spec["stack"] for knob, value in one["knobs"].items()}
    for part in ("task", "model"):
        found |= {part: spec[part]["name"], **{f"{part}.{knob}": value for knob, value in spec[part]["knobs"].items()}}
    return found | {f"device.{name}": value for name, value in spec["device"].items()} | {"seed": spec["seed"]}


def common_study(site: Site, before: int, after: int) -> int | None:
    mine, theirs = ({row["id"] for row in browse.studies(site.store, run_id=one).rows} for one in (before, after))
    return max(mine & theirs, default=None)
