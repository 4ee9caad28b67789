"""A technique: what it is, its settings, what it did, and what is claimed of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.report.layout import Column, Footnotes, quality_grid
from harness.report.model import Table
from harness.report.settings import settings_text
from harness.spec.errors import PluginError, UsageError
from harness.store import browse
from harness_dashboards.app import Site
from harness_dashboards.asking import number, paging
from harness_dashboards.comparisons import MOMENT_S

if TYPE_CHECKING:
    from harness.claims.model import Verdict
    from harness.plugin.discovery import Registry

STUDIES = 20  # the latest that a page reads
TOLD = ("weights", "removed", "score", "Δ", "95 % interval", "p", "n", "outcome")


def index(site: Site, request: Request) -> Response:
    found = site.comparisons.plugins()
    if found is None:
        return site.page("waiting.html", "Techniques", what="Plugins are being loaded", inside="Techniques", live=1)
    return site.page("techniques.html", "Techniques", rows=listed(site, found), live=0)


def listed(site: Site, found: Registry) -> list[dict[str, Any]]:
    counts = browse.runs_by_method(site.store)
    return [
        {"name": name, "runs": counts.get(name, 0), **about(found, name)} for name in sorted({*found.methods, *counts})
    ]


def about(found: Registry, name: str) -> dict[str, str]:
    method = found.methods.get(name)
    if method is None:
        return {"family": "", "says": "its plugin is not installed here"}
    return {"family": str(method.traits.family), "says": found.says(method)}


def technique(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    found = site.comparisons.plugins()
    if found is None:
        return site.page("waiting.html", name, what="Plugins are being loaded", inside="Techniques", live=1)
    counts = browse.runs_by_method(site.store)
    if name not in found.methods and name not in counts:
        found.method(name)  # says which there are
    method = found.methods.get(name)
    inside, page = latest(site, name), number(request, "page")
    until = time.monotonic() + MOMENT_S
    every, missing = results(site, name, inside)
    rows = list(told(every[(page - 1) * browse.SIZE : page * browse.SIZE]))
    verdicts = claims(site, found, name, max(0.0, until - time.monotonic()))
    return site.page(
        "technique.html",
        name,
        name=name,
        about=about(found, name),
        readme=readme(found, name),
        knobs=method.knobs() if method else (),
        rows=rows,
        columns=[key for key in TOLD if any(key in row["cells"] for row in rows)],
        paging=paging(request, len(every), page),
        missing=missing,
        inside=inside,
        runs=counts.get(name, 0),
        verdicts=verdicts or [],
        live=2 if missing or verdicts is None else 0,
    )


def latest(site: Site, name: str) -> browse.Page:
    return browse.studies(site.store, size=STUDIES, method=name)


class Result(NamedTuple):
    """One row of a study's table under one metric."""

    study: int
    table: Table
    metric: int  # its place in the table
    place: int  # of the row


def results(site: Site, name: str, studies: browse.Page, wait_s: float = MOMENT_S) -> tuple[list[Result], list[int]]:
    """One a study, task, model and setting; and the studies that are still being compared."""
    rows: list[Result] = []
    missing = []
    until = time.monotonic() + wait_s
    for study in (row["id"] for row in studies.rows):
        found = site.comparisons.study(study, max(0.0, until - time.monotonic()))
        if found is None:
            missing.append(study)
            continue
        rows += [
            Result(study, table, at, place)
            for table in found.report.tables
            for at in range(len(table.metrics))
            for place, row in enumerate(table.rows)
            if name in row.label.split("+")
        ]
    return rows, missing


def told(rows: Iterable[Result]) -> Iterator[dict[str, Any]]:
    """As a page shows them."""
    grids: dict[tuple[int, int], dict[str, Column]] = {}
    for study, table, at, place in rows:
        metric, row = table.metrics[at], table.rows[place]
        if (id(table), at) not in grids:
            columns = quality_grid(table, at, metric, Footnotes()).columns
            grids[id(table), at] = {one.header: one for one in columns}
        found = grids[id(table), at]
        yield {
            "study": study, "run": row.runs[0].id, "label": row.label, "settings": settings_text(row.settings),
            "task": table.task, "model": table.model, "device": table.device, "metric": metric,
            "cells": {key: found[key].cells[place] for key in TOLD if key in found},
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
    from markdown_it import MarkdownIt

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


def claims(site: Site, found: Registry, name: str, wait_s: float = MOMENT_S) -> list[Verdict] | None:
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

    changed = browse.count(site.store).changed
    verdicts: list[Verdict] | None = site.comparisons.of(f"claims {name}", changed, judge, wait_s)
    return verdicts
