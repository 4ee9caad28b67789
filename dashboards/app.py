"""The application: which address gives which page, and what a page is made with."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from harness.report.layout import source
from harness.report.notes import protocol
from harness.report.units import places_for
from harness.spec.errors import HarnessError, UsageError
from harness.store import browse
from harness.store.writer import Store
from harness.version import __version__
from harness_dashboards import words
from harness_dashboards.comparisons import Comparisons
from harness_dashboards.guard import Guard

HERE = Path(__file__).parent
STATIC = {"app.css": "text/css", "app.js": "text/javascript", "plotly.js": "text/javascript"}


@dataclass
class Site:
    """What every page needs."""

    store: Store
    comparisons: Comparisons
    static: bool = False  # written to files: no filters, nothing that asks again
    templates: Environment = field(default_factory=lambda: environment())

    def warm(self) -> None:
        """Loads what first requests take, before anybody asks."""
        for name in self.templates.list_templates():
            self.templates.get_template(name)
        self.comparisons.warm()

    def page(self, template: str, title: str, status: int = 200, **told: Any) -> HTMLResponse:
        text = self.templates.get_template(template).render(
            site=self, title=title, store_name=self.store.place, version=__version__, **told
        )
        return HTMLResponse(text, status)


def environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "visible": words.visible,
        "plain": words.plain,
        "number": words.number,
        "day": words.day,
        "ago": words.ago,
        "duration": words.duration,
        "sort_key": words.sort_key,
        "data": data,
        "figures": figures,
        "score": lambda value, metric: f"{value * metric.scale:.{places_for(metric.unit)}f}",
        "source": lambda one: words.visible(source(one)),
        "protocol": protocol,
        "path": lambda text: quote(str(text), safe="/"),
    }
    found.globals |= {"address": address}
    return found


def data(plain: Any) -> Markup:
    """Plain data inside a script element that is none: nothing in it can end the element."""
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def figures(plain: Any, key: str = "") -> Any:
    """Figures whose texts are shown as they are: plotly would read tags in them."""
    if isinstance(plain, dict):
        return {words.visible(name): figures(value, name) for name, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [figures(value, key) for value in plain]
    if isinstance(plain, str) and key not in ("hovertemplate", "texttemplate"):
        return words.visible(plain).replace("&", "&amp;").replace("<", "&lt;")
    return plain


def address(path: str, words_: Mapping[str, Any] | None = None, **more: Any) -> str:
    """A path with the words that say something."""
    told = {name: value for name, value in {**(words_ or {}), **more}.items() if value not in (None, "", ())}
    return f"{path}?{urlencode(told, doseq=True)}" if told else path


Page = Callable[[Site, Request], Response]


def make_app(store: Store, *, token: str | None = None, static: bool = False) -> Starlette:
    """With a `token` it answers whoever knows it, under any name; without, only under this machine's own."""
    from harness_dashboards import pages

    site = Site(store, Comparisons(store), static)

    def route(path: str, page: Page) -> Route:
        def endpoint(request: Request) -> Response:
            return page(site, request)

        return Route(path, endpoint, methods=["GET", "HEAD"])

    def failed(request: Request, error: Exception) -> Response:
        status, said = status_of(error)
        return site.page("failed.html", "Not here" if status == 404 else "This can't be shown", status, said=said)

    app = Starlette(
        routes=[
            *(route(path, page) for path, page in pages.PAGES.items()),
            Route("/static/{name}", static_file),
            Route("/pulse", lambda request: JSONResponse(list(browse.count(store)))),
        ],
        middleware=[Middleware(Guard, token=token), *([Middleware(GZipMiddleware, compresslevel=3)] if token else [])],
        exception_handlers={HarnessError: failed, HTTPException: failed},
    )
    app.state.site = site
    return app


def status_of(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, "There is no such page." if error.status_code == 404 else error.detail
    return (404 if isinstance(error, UsageError) else 503), str(error)


def static_file(request: Request) -> Response:
    """One of a few files by name: no path reaches the file system."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    return Response(asset(name), media_type=STATIC[name], headers={"Cache-Control": "max-age=3600"})


@cache
def asset(name: str) -> bytes:
    if name != "plotly.js":
        return (HERE / "static" / name).read_bytes()
    spec = importlib.util.find_spec("plotly")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
