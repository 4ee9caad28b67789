"""Tables as files: what the pages show, in full."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from harness.report.export import export, export_frame
from harness.report.load import load_readings, load_samples, runs_frame
from harness.spec.errors import UsageError
from harness.store import browse, queries
from harness_dashboards.app import Site
from harness_dashboards.asking import filters, run_ids, wanted
from harness_dashboards.samples import asked_of, hard
from harness_dashboards.words import plain

FORMS = {"csv": ("csv", "text/csv"), "md": ("md", "text/markdown"), "tex": ("latex", "application/x-tex")}
MOST = 10_000  # rows of a file of runs
PATIENCE_S = 60.0  # a file is waited for


def study(site: Site, request: Request) -> Response:
    number = request.path_params["study"]
    queries.study(site.store, number)
    return report(request, site.comparisons.study(number, PATIENCE_S), f"study-{number}")


def compared(site: Site, request: Request) -> Response:
    ids = run_ids(request)
    if not ids:
        raise UsageError("no run is named: ?run=1&run=2, the baseline first")
    return report(request, site.comparisons.runs(ids, PATIENCE_S), f"runs-{'-'.join(map(str, ids))}")


def report(request: Request, found: Any, name: str) -> Response:
    if found is None:
        raise HTTPException(503, "It is being compared; ask again in a few seconds.")
    return sent(request, export(found.report, form(request)[0]), name)


def runs(site: Site, request: Request) -> Response:
    rows = browse.runs(site.store, wanted(filters(request)), size=MOST).rows
    found = runs_frame(queries.details(site.store, [row["id"] for row in rows]).values())
    return sent(request, export_frame(found, "runs", form(request)[0]), "runs")


def of_run(site: Site, request: Request) -> Response:
    number, what = request.path_params["run"], request.path_params["what"]
    load = {"samples": load_samples, "readings": load_readings}.get(what)
    if load is None:
        raise HTTPException(404)
    found = load(site.store, runs=[number])
    return sent(request, export_frame(found, f"{what} of run {number}", form(request)[0]), f"run-{number}-{what}")


def explorer(site: Site, request: Request) -> Response:
    from pandas import DataFrame

    number = queries.study(site.store, request.path_params["study"]).id
    found = hard(site, number, asked_of(site, request, number), PATIENCE_S)
    if found is None:
        raise HTTPException(503, "It is being counted; ask again in a few seconds.")
    rows = DataFrame([{**one._asdict(), "target": plain(one.target)} for one in found])
    return sent(request, export_frame(rows, f"samples of study {number}", form(request)[0]), f"study-{number}-samples")


def form(request: Request) -> tuple[str, str]:
    asked = request.path_params["form"]
    if asked not in FORMS:
        raise UsageError(f"no format {asked!r}; there are {', '.join(FORMS)}")
    return FORMS[asked]


def sent(request: Request, text: str | bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{request.path_params["form"]}"'}
    return Response(text, media_type=form(request)[1], headers=headers)
