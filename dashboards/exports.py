"""Tables as files: what the pages show, in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from harness.report.export import export, export_frame, export_pages
from harness.report.flat import record
from harness.report.load import load_readings, load_samples, runs_frame
from harness.report.units import titled
from harness.spec.errors import UsageError
from harness.store import browse, queries
from harness.store.timings import SELF_CHECK
from harness_dashboards import techniques
from harness_dashboards.app import Site
from harness_dashboards.asking import filters, run_ids, settings_of, wanted
from harness_dashboards.samples import asked_of, differences, hard, shared_metric
from harness_dashboards.words import day, plain

if TYPE_CHECKING:
    from harness.plugin.discovery import Registry

FORMS = {"csv": ("csv", "text/csv"), "md": ("md", "text/markdown"), "tex": ("latex", "application/x-tex")}
MOST = 10_000  # rows of a file of runs or studies
WHOLE = 1_000_000_000  # characters of an answer
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


def self_check(site: Site, request: Request) -> Response:
    from harness.report.selfcheck import lay_out, self_checks

    one = queries.study(site.store, request.path_params["study"])
    number = one.id
    if not one.command.startswith(SELF_CHECK):
        raise UsageError(f"study {number} is no self-check: /studies/{number}/comparison.csv has its comparison")
    pages = [lay_out(check) for check in self_checks(site.store, number)]
    return sent(request, export_pages(pages, form(request)[0]), f"study-{number}-self-check")


def report(request: Request, found: Any, name: str) -> Response:
    if found is None:
        raise HTTPException(503, "It is being compared; ask again in a few seconds.")
    return sent(request, export(found.report, form(request)[0]), name)


def studies(site: Site, request: Request) -> Response:
    rows = [
        {
            "study": one["id"],
            "status": one["status"],
            **{name: " ".join(one[name]) for name in ("methods", "tasks", "models")},
            "runs": sum(one["runs"].values()),
            "failed": sum(one["runs"].get(word, 0) for word in browse.FAILED),
            **{name: one[name] for name in ("measure", "command")},
            **{name: day(one[name]) for name in ("created", "updated")},
        }
        for one in browse.studies(site.store, size=MOST).rows
    ]
    return table(request, rows, "studies", "studies")


def failures(site: Site, request: Request) -> Response:
    rows = [{**one._mapping, "updated": day(one.updated)} for one in browse.failures(site.store, MOST)]
    return table(request, rows, "runs that failed or are invalid", "failures")


def table(request: Request, rows: list[dict[str, Any]], title: str, name: str) -> Response:
    from pandas import DataFrame

    return sent(request, export_frame(DataFrame(rows), title, form(request)[0]), name)


def runs(site: Site, request: Request) -> Response:
    rows = browse.runs(site.store, wanted(filters(request)), size=MOST).rows
    found = runs_frame(queries.details(site.store, [row["id"] for row in rows]).values())
    return sent(request, export_frame(found, "runs", form(request)[0]), "runs")


def of_run(site: Site, request: Request) -> Response:
    number, what = request.path_params["run"], request.path_params["what"]
    if what == "settings":
        found = runs_frame([queries.run(site.store, number)])
        return sent(request, export_frame(found, f"settings of run {number}", form(request)[0]), f"run-{number}")
    load = {"samples": load_samples, "readings": load_readings}.get(what)
    if load is None:
        raise HTTPException(404)
    found = load(site.store, runs=[number])
    return sent(request, export_frame(found, f"{what} of run {number}", form(request)[0]), f"run-{number}-{what}")


def against(site: Site, request: Request) -> Response:
    """Two runs sample by sample, those first that changed most."""
    before, after = (queries.run(site.store, request.path_params[name]) for name in ("before", "run"))
    name, what = f"run-{after.id}-against-{before.id}", request.path_params["what"]
    if what == "settings":
        named = ("setting", f"run {before.id}", f"run {after.id}")
        rows = [dict(zip(named, one, strict=True)) for one in differences(before, after)]
        return table(request, rows, f"settings of run {after.id} against run {before.id}", f"{name}-settings")
    if what != "samples":
        raise HTTPException(404)
    metric = shared_metric(before, after, request.query_params.get("metric", ""))
    score, keys = f"score.{metric.name}", ["number", "prompt_hash"]
    mine, theirs = (load_samples(site.store, runs=[run.id]) for run in (before, after))
    found = mine.reindex(columns=[*keys, "stratum", "target", "answer", score]).merge(
        theirs.reindex(columns=[*keys, "answer", score]),
        on=keys,
        suffixes=(f" of run {before.id}", f" of run {after.id}"),
    )
    found["change"] = found[f"{score} of run {after.id}"] - found[f"{score} of run {before.id}"]
    found = found.dropna(subset="change").drop(columns="prompt_hash")
    found = found.sort_values("change", key=abs, ascending=False, kind="stable")
    return sent(request, export_frame(found, name.replace("-", " "), form(request)[0]), f"{name}-samples")


def explorer(site: Site, request: Request) -> Response:
    number = queries.study(site.store, request.path_params["study"]).id
    found = hard(site, number, asked_of(site, request, number), PATIENCE_S)
    if found is None:
        raise HTTPException(503, "It is being counted; ask again in a few seconds.")
    rows = [{**one._asdict(), "target": plain(one.target)} for one in found]
    return table(request, rows, f"samples of study {number}", f"study-{number}-samples")


def answers(site: Site, request: Request) -> Response:
    """What every run of a study answered to one sample."""
    study_id, run_id, place = (request.path_params[name] for name in ("study", "run", "number"))
    rows = [
        {
            "run": one["run_id"],
            "method": one["label"],
            "role": one["role"],
            "settings": settings_of(site, one["spec"]),
            "target": plain(one["target"]),
            "answer": one["answer"],
            **{f"score.{name}": score.value for name, score in one["scores"].items()},
            **{f"evidence.{name}": value for name, value in one["evidence"].items()},
        }
        for one in browse.answers(site.store, run_id, place, study_id, WHOLE, size=MOST).rows
    ]
    return table(request, rows, f"answers to sample {place}", f"study-{study_id}-sample-{place}")


# Techniques.


def all_techniques(site: Site, request: Request) -> Response:
    return table(request, techniques.listed(site, plugins(site)), "techniques", "techniques")


def plugins(site: Site) -> Registry:
    found = site.comparisons.plugins(PATIENCE_S)
    if found is None:
        raise HTTPException(503, "Plugins are being loaded; ask again in a few seconds.")
    return found


def of_technique(site: Site, request: Request) -> Response:
    name, what = request.path_params["name"], request.path_params["what"]
    told = {"results": results, "claims": claims}.get(what)
    if told is None:
        raise HTTPException(404)
    return table(request, told(site, request, name), f"{what} of {name}", f"{name.replace('/', '-')}-{what}")


def results(site: Site, request: Request, name: str) -> list[dict[str, Any]]:
    """Of every study that its page shows: numbers in full in a CSV, else as the page has them."""
    found, missing = techniques.results(site, name, techniques.latest(site, name), PATIENCE_S)
    if missing:
        raise HTTPException(503, "It is being compared; ask again in a few seconds.")
    if form(request)[0] == "csv":
        rows = {(one.study, id(one.table), one.place): one for one in found}
        return [{"study": one.study, **record(one.table, one.table.rows[one.place])} for one in rows.values()]
    return [
        {
            **{key: one[key] for key in ("study", "run", "label", "settings", "task", "model")},
            "metric": titled(one["metric"].name, one["metric"].unit),
            **{key: one["cells"][key].text if key in one["cells"] else "" for key in techniques.TOLD},
        }
        for one in techniques.told(found)
    ]


def claims(site: Site, request: Request, name: str) -> list[dict[str, Any]]:
    found = techniques.claims(site, plugins(site), name, PATIENCE_S)
    if found is None:
        raise HTTPException(503, "They are being judged; ask again in a few seconds.")
    return [
        {
            "verdict": one.word,
            "claim": one.claim.name,
            "says": one.claim.says,
            "kind": one.claim.kind,
            "why": one.reason,
            "source": one.claim.source,
            "command": one.claim.typed,
        }
        for one in found
    ]


def form(request: Request) -> tuple[str, str]:
    asked = request.path_params["form"]
    if asked not in FORMS:
        raise UsageError(f"no format {asked!r}; there are {', '.join(FORMS)}")
    return FORMS[asked]


def sent(request: Request, text: str | bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{request.path_params["form"]}"'}
    return Response(text, media_type=form(request)[1], headers=headers)
