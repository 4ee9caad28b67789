"""What an address asks for, and what many pages say of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any

from starlette.requests import Request

from harness.report.load import defaults
from harness.report.model import shown_metrics
from harness.report.settings import settings_text, telling
from harness.spec.errors import UsageError
from harness.spec.records import Metric, Setting
from harness.store import browse
from harness.store.browse import Filter
from harness_dashboards.app import Site
from harness_dashboards.comparisons import MOMENT_S

FILTERS = ("method", "task", "model", "device", "status", "tag", "since", "until", "q", "study")


def filters(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip() for name in FILTERS}


def wanted(asked: dict[str, str]) -> Filter:
    names = ("method", "task", "model", "device", "status", "tag")
    until = midnight(asked["until"])
    return Filter(
        **{name: asked[name] for name in names},
        since=midnight(asked["since"]),
        until=None if until is None else until + 86400,
        text=asked["q"],
        study=whole(asked["study"], "study") if asked["study"] else None,
    )


def midnight(day: str) -> float | None:
    if not day:
        return None
    try:
        return (datetime.fromisoformat(day).replace(tzinfo=UTC)).timestamp()
    except ValueError:
        raise UsageError(f"a day is YYYY-MM-DD, got {day!r}") from None


def run_ids(request: Request) -> list[int]:
    words = [word for given in request.query_params.getlist("run") for word in given.split(",") if word.strip()]
    if not all(word.strip().isdigit() for word in words):
        raise UsageError(f"runs are numbers, got {', '.join(words)!r}: /compare?run=1&run=2, the baseline first")
    return list(dict.fromkeys(int(word) for word in words))


def number(request: Request, name: str) -> int:
    return max(1, whole(request.query_params.get(name) or "1", name))


def whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise UsageError(f"{name} is a whole number, got {text!r}")
    return int(text)


def paging(request: Request, total: int, page: int, size: int = browse.SIZE) -> dict[str, Any]:
    words = {name: value for name, value in request.query_params.multi_items() if name != "page"}
    return {
        "page": page,
        "pages": max(1, ceil(total / size)),
        "total": total,
        "path": request.url.path,
        "words": words,
        "first": (page - 1) * size + 1,
        "last": min(page * size, total),
    }


def settings_of(site: Site, spec: dict[str, Any]) -> str:
    stack = [Setting.from_plain(one) for one in spec.get("stack", [])]
    return settings_text(telling(stack, set(), usual(site)))


def usual(site: Site) -> dict[str, Any]:
    """What knobs are when nobody sets them. Until plugins are loaded nothing is known of it: every knob is told."""
    found = site.comparisons.plugins(60.0 if site.static else MOMENT_S)
    return {} if found is None else site.comparisons.of("defaults", 0, lambda: defaults(found))


def of_samples(about: dict[str, Any]) -> list[Metric]:
    """Those of which each sample has a score."""
    return [one for one in shown_metrics(about) if one.statistic is None]


def mean_of(means: dict[tuple[int, str], browse.Mean], run_id: int, metric: Metric) -> float | None:
    """A run's score as a comparison shows it; None where it is no mean of samples that count alike."""
    found = means.get((run_id, metric.name))
    if found is None or metric.weight or metric.statistic:
        return None
    return {"macro_mean": found.macro, "mean": found.plain}.get(metric.aggregation)
