"""A technique: what it is, its settings, what it did, and what is claimed of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.report.layout import Footnotes, quality_grid
from harness.report.model import Table
from harness.report.settings import settings_text
from harness.spec.errors import PluginError, UsageError
from harness.store import browse
from harness_dashboards.app import Site

if TYPE_CHECKING:
    from harness.claims.model import Verdict
    from harness.plugin.discovery import Registry

STUDIES = 20  # the latest that a page reads
TOLD = ("removed", "score", "Δ", "95 % interval", "p", "n", "outcome")


def index(site: Site, request: Request) -> Response:
    found = registry(site)
    counts = browse.runs_by_method(site.store)
    names = sorted({*found.methods, *counts})
    rows = [
        {"name": name, "runs": counts.get(name, 0), "known": name in found.methods, **about(found, name)}
        for name in names
    ]
    return site.page("techniques.html", "Techniques", rows=rows, live=0)


def registry(site: Site) -> Registry:
    from harness.plugin.discovery import load

    return site.comparisons.of("registry", 0, load, wait_s=30.0)  # type: ignore[no-any-return]


def about(found: Registry, name: str) -> dict[str, str]:
    import sys

    method = found.methods.get(name)
    if method is None:
        return {"family": "", "says": "its plugin is not installed here"}
    said = sys.modules[found.origin_of(method).module].__doc__ or ""
    return {"family": str(method.traits.family), "says": said.strip().partition("\n")[0]}


def technique(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    found = registry(site)
    counts = browse.runs_by_method(site.store)
    if name not in found.methods and name not in counts:
        found.method(name)  # says which there are
    method = found.methods.get(name)
    inside = browse.studies(site.store, size=STUDIES, method=name)
    rows, missing = results(site, name, [row["id"] for row in inside.rows])
    verdicts = claims(site, found, name)
    return site.page(
        "technique.html",
        name,
        name=name,
        about=about(found, name),
        readme=readme(found, name),
        knobs=method.knobs() if method else (),
        rows=rows,
        missing=missing,
        inside=inside,
        runs=counts.get(name, 0),
        verdicts=verdicts or [],
        live=2 if missing or verdicts is None else 0,
    )


def results(site: Site, name: str, studies: list[int]) -> tuple[list[dict[str, Any]], list[int]]:
    """A row a study, task, model and setting; and the studies that are still being compared."""
    rows: list[dict[str, Any]] = []
    missing = []
    for number in studies:
        found = site.comparisons.study(number)
        if found is None:
            missing.append(number)
        else:
            rows += [{**row, "study": number} for table in found.report.tables for row in told(table, name)]
    return rows, missing


def told(table: Table, name: str) -> Iterator[dict[str, Any]]:
    for at, metric in enumerate(table.metrics):
        columns = {one.header: one for one in quality_grid(table, at, metric, Footnotes()).columns}
        for place, row in enumerate(table.rows):
            if name in row.label.split("+"):
                cells = {key: columns[key].cells[place] for key in TOLD if key in columns}
                yield {
                    "task": table.task, "model": table.model, "device": table.device, "metric": metric,
                    "run": row.runs[0].id, "label": row.label, "settings": settings_text(row.settings), "cells": cells,
                }  # fmt: skip


# Its README.


def readme(found: Registry, name: str) -> Markup | None:
    method = found.methods.get(name)
    folder = found.origin_of(method).folder if method else None
    path = Path(folder) / "README.md" if folder else None
    return Markup(rendered(path.read_text())) if path and path.is_file() else None


@cache
def rendered(text: str) -> str:
    """Markdown without HTML of its own and without pictures; links lead to the web alone."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = markdown.parse(text)
    for token in (child for one in tokens for child in one.children or ()):
        if token.type == "link_open" and not str(token.attrs.get("href", "")).startswith(("https://", "http://")):
            token.attrs.pop("href")
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    return str(markdown.renderer.render(tokens, markdown.options, {}))


# What is claimed.


def claims(site: Site, found: Registry, name: str) -> list[Verdict] | None:
    """None while they are judged."""
    from harness.claims.judge import judge_claim
    from harness.claims.read import claims_of
    from harness.config.compose import Composer

    method = found.methods.get(name)
    if method is None:
        return []
    try:
        mine = claims_of(found.origin_of(method))
    except PluginError as error:
        raise UsageError(str(error)) from error

    def judge() -> list[Verdict]:
        composer = Composer(found)
        return [judge_claim(one, found, site.store, composer) for one in mine]

    verdicts: list[Verdict] | None = site.comparisons.of(f"claims {name}", browse.count(site.store).changed, judge)
    return verdicts
