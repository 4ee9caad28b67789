"""What stands on each page."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.report.model import shown_metrics
from harness.report.words import sentences
from harness.store import browse, queries
from harness.store.timings import SELF_CHECK
from harness_dashboards import exports, samples, techniques
from harness_dashboards.app import Page, Site
from harness_dashboards.asking import (
    filters,
    mean_of,
    number,
    of_samples,
    paging,
    run_ids,
    settings_of,
    wanted,
)
from harness_dashboards.comparisons import MOMENT_S
from harness_dashboards.grids import told_beside, wide, winners
from harness_dashboards.plots import looks, plots
from harness_dashboards.plots import techniques as techniques_of


def overview(site: Site, request: Request) -> Response:
    found = browse.studies(site.store, size=10)
    going = [{**one, "progress": browse.progress(site.store, one["id"])} for one in found.rows if one["live"]]
    return site.page(
        "overview.html",
        "Overview",
        studies=found,
        going=going,
        failures=browse.failures(site.store),
        count=browse.count(site.store),
        live=3 if going else 5,
    )


def studies(site: Site, request: Request) -> Response:
    page = number(request, "page")
    found = browse.studies(site.store, page)
    return site.page("studies.html", "Studies", studies=found, paging=paging(request, found.total, page), live=5)


# A study.


def study(site: Site, request: Request) -> Response:
    one = queries.study(site.store, request.path_params["study"])
    title = f"Study {one.id}"
    with site.store.read() as connection:
        going = browse.live(connection, vars(one))
    told: dict[str, Any] = {
        "study": one,
        "going": going,
        "progress": browse.progress(site.store, one.id) if going else None,
    }
    if one.command.startswith(SELF_CHECK):
        return self_check(site, title, told)
    found = site.comparisons.study(one.id)
    tables = None if found is None else comparison(site, found, f"/studies/{one.id}/comparison")
    if tables is None:
        return site.page("waiting.html", title, what=f"{title} is being compared", inside="Studies", live=0.5, **told)
    return site.page("study.html", title, tables=tables, live=5 if going else 0, **told)


def self_check(site: Site, title: str, told: dict[str, Any]) -> Response:
    from harness.report.selfcheck import lay_out, self_checks

    one = told["study"]
    state = browse.study_changed(site.store, one.id)
    found = site.comparisons.of(
        f"self-check {one.id}", state, lambda: [lay_out(check) for check in self_checks(site.store, one.id)]
    )
    if found is None:
        return site.page("waiting.html", title, what=f"{title} is being read", inside="Studies", live=1, **told)
    return site.page("selfcheck.html", title, checks=found, live=0, **told)


def comparison(site: Site, found: Any, exports: str, query: str = "") -> Markup | None:
    """Tables and plots, made once of what does not change; None while they are made."""

    def make() -> Markup:
        macros: Any = site.templates.get_template("comparison.html").make_module({"site": site})
        shown: Markup = macros.tables_of(tables_of(found), exports, query)
        return shown

    made: Markup | None = site.comparisons.of(f"{exports}?{query}", found, make, MOMENT_S / 2)
    return made


def tables_of(found: Any) -> list[dict[str, Any]]:
    """What the page shows of each table."""
    tables = []
    for index, table in enumerate(found.report.tables):
        mine = [one for one in found.spreads if one.table == index]
        alarms, notes = told_beside(table)
        by_technique = looks(table)
        tables.append(
            {
                "table": table,
                "wide": wide(table),
                "looks": [by_technique[name] for name in techniques_of(table).values()],
                "winners": winners(table),
                "plots": plots(table, mine),
                "alarms": alarms,
                "notes": notes,
                "sentences": [line for row in table.rows for line in sentences(row, table.baseline_of(row))],
            }
        )
    return tables


def compare(site: Site, request: Request) -> Response:
    """Runs picked by hand, beside the first of them."""
    ids = run_ids(request)
    if not ids:
        return site.page("pick.html", "Compare", live=0)
    title = " against ".join(f"run {one}" for one in [*ids[1:], ids[0]]).capitalize()
    found, query = site.comparisons.runs(ids), "&".join(f"run={one}" for one in ids)
    tables = None if found is None else comparison(site, found, "/compare/comparison", query)
    if tables is None:
        return site.page("waiting.html", title, what="The runs are being compared", inside="Runs", live=0.5)
    return site.page("compare.html", title, tables=tables, ids=ids, live=0)


# Runs.


def runs(site: Site, request: Request) -> Response:
    asked = filters(request)
    sort, page = request.query_params.get("sort", "-run"), number(request, "page")
    found = browse.runs(site.store, wanted(asked), sort, page)
    return site.page(
        "runs.html",
        "Runs",
        runs=[told_of_run(site, row) for row in found.rows],
        means=browse.means(site.store, [row["id"] for row in found.rows]),
        mean_of=mean_of,
        total=found.total,
        asked={name: value for name, value in asked.items() if value},
        choices=browse.choices(site.store),
        sort=sort,
        paging=paging(request, found.total, page),
        live=5,
    )


def told_of_run(site: Site, row: dict[str, Any]) -> dict[str, Any]:
    """With its settings in words, and the metrics that are shown."""
    return {**row, "settings": settings_of(site, row["spec"]), "metrics": shown_metrics(row["about"])}


def run(site: Site, request: Request) -> Response:
    number_ = request.path_params["run"]
    one, page = queries.run(site.store, number_), number(request, "page")
    stratum, text = (request.query_params.get(name, "") for name in ("subtask", "q"))
    metrics = shown_metrics(one.about)
    order = request.query_params.get("order", "number")
    first = next(iter(of_samples(one.about)), None) if order == "worst" else None
    worst = "" if first is None else f"{'-' if first.higher_is_better else ''}{first.name}"
    samples = browse.samples(site.store, number_, stratum=stratum, text=text, worst=worst, page=page)
    readings = browse.readings(site.store, number_, number(request, "readings"))
    inside = browse.studies(site.store, size=20, run_id=number_)
    return site.page(
        "run.html",
        f"Run {number_}",
        run=one,
        settings=settings_of(site, one.spec),
        metrics=metrics,
        means=browse.means(site.store, [number_]),
        mean_of=mean_of,
        samples=samples,
        strata=browse.strata(site.store, number_),
        readings=readings,
        studies=inside,
        baseline=browse.baseline(site.store, number_),
        asked={"subtask": stratum, "q": text, "order": order},
        paging=paging(request, samples.total, page),
        live=3 if one.live else 0,
    )


PAGES: dict[str, Page] = {
    "/": overview,
    "/failures.{form}": exports.failures,
    "/studies": studies,
    "/studies.{form}": exports.studies,
    "/studies/{study:int}": study,
    "/studies/{study:int}/comparison.{form}": exports.study,
    "/studies/{study:int}/self-check.{form}": exports.self_check,
    "/studies/{study:int}/samples": samples.explorer,
    "/studies/{study:int}/samples.{form}": exports.explorer,
    "/studies/{study:int}/samples/{run:int}/{number:int}": samples.sample,
    "/studies/{study:int}/samples/{run:int}/{number:int}/answers.{form}": exports.answers,
    "/runs": runs,
    "/runs.{form}": exports.runs,
    "/runs/{run:int}": run,
    "/runs/{run:int}/{what}.{form}": exports.of_run,
    "/runs/{before:int}/against/{run:int}": samples.against,
    "/runs/{before:int}/against/{run:int}/{what}.{form}": exports.against,
    "/compare": compare,
    "/compare/comparison.{form}": exports.compared,
    "/techniques": techniques.index,
    "/techniques.{form}": exports.all_techniques,
    "/techniques/{name:path}/{what}.{form}": exports.of_technique,
    "/techniques/{name:path}": techniques.technique,
}
