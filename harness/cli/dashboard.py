"""`harness dashboard`: pages over the store, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.compare import STORE, stored
from harness.spec.errors import HarnessError, UsageError

if TYPE_CHECKING:
    import socket

    from harness.store.writer import Store

MISSING = "the dashboard needs {}: pip install 'harness-ml[dashboard]'"


@click.command("dashboard")
@click.option("--store", "url", help=STORE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others ask for a token.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0 for any that is free."
)
@click.option("--open", "browser", is_flag=True, help="Also open it in a browser.")
@click.option(
    "--export",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the pages into a new folder instead: a site that opens from disk.",
)
@click.option("--study", "studies", type=int, multiple=True, help="With --export: of this study alone; once for each.")
def command(
    url: str | None, host: str, port: int, browser: bool, folder: Path | None, studies: tuple[int, ...]
) -> None:
    """Open a page over the store: which technique wins, at what cost, and why.

    It only reads, while commands write, and fetches nothing from anywhere.
    """
    require()
    if studies and folder is None:
        raise UsageError("--study goes with --export; a page of one study is at /studies/NUMBER")
    with stored(url) as store:
        if folder is not None:
            write(store, folder, studies)
            return
        serve(store, host, port, browser)


def require() -> None:
    """
    Raises:
        HarnessError: what the dashboard is made with is not installed.
    """
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "uvicorn", "jinja2", "plotly", "markdown_it") if find_spec(name) is None]
    if missing:
        raise HarnessError(MISSING.format(", ".join(missing)))


def write(store: Store, folder: Path, studies: tuple[int, ...]) -> None:
    import sys

    from harness_dashboards import static_site
    from harness_dashboards.app import make_app

    app = make_app(store, static=True)
    try:
        count = static_site.write(app, folder, studies, lambda text: print(text, file=sys.stderr, flush=True))
    finally:
        app.state.site.comparisons.close()
    print(f"wrote {count} files; open {folder / 'index.html'}", file=sys.stderr)


def serve(store: Store, host: str, port: int, browser: bool) -> None:
    import secrets
    import sys
    import threading

    import uvicorn

    from harness_dashboards.app import make_app

    local = host in ("127.0.0.1", "localhost", "::1")
    token = None if local else secrets.token_urlsafe(24)
    app = make_app(store, token=token)
    listener = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
    if token:
        print(
            f"Warning: whoever reaches {host} and knows the token reads every result, over an unencrypted connection.",
            file=sys.stderr,
        )
    print(f"Dashboard of {store.place}: {address}  (Ctrl-C ends it)", flush=True)
    sys.setswitchinterval(5e-4)  # a page waits less for what is computed beside it
    later = threading.Timer(1.0, app.state.site.warm)  # once the first page is there
    later.daemon = True
    later.start()
    if browser:
        import webbrowser

        webbrowser.open(address)
    plainly = uvicorn.Config(app, log_level="warning", access_log=False, http="h11", ws="none", lifespan="off")
    uvicorn.Server(plainly).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    import socket

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"can't listen at {host}, port {port} ({error.strerror}): name another with --host and --port"
        ) from error
    return listener
