"""The pages as files: a site that opens from disk, without a server."""

from __future__ import annotations

import asyncio
import html
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.types import Message

from harness.spec.errors import HarnessError, UsageError
from harness.spec.identity import digest
from harness_dashboards.app import STATIC, asset

MOST = 20_000  # files
PATIENCE_S = 600.0  # for one comparison
LINK = re.compile(r'(?P<name> (?:href|src))="(?P<address>/[^"]*)"')
WAITING = b"data-waiting"


def write(app: Starlette, folder: Path, studies: Sequence[int], say: Callable[[str], None]) -> int:
    """Writes every page that can be reached, or those of some studies alone; returns how many files there are.

    Raises:
        UsageError: the folder holds something, or can't be written; it would be too many files.
        HarnessError: a page can't be made.
    """
    prepare(folder)
    try:
        for name in STATIC:
            put(folder / "static" / name, asset(name))
        return asyncio.run(crawl(app, folder, studies, say))
    except OSError as error:
        raise UsageError(f"can't write {folder}: {error.strerror}") from error


def prepare(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and not empty: name a new folder, or remove it first")


async def crawl(app: Starlette, folder: Path, studies: Sequence[int], say: Callable[[str], None]) -> int:
    begin = [f"/studies/{one}" for one in studies] or ["/"]
    seen, queue = dict.fromkeys(begin), deque(begin)
    told = time.monotonic()
    wanted = is_wanted(studies)
    while queue:
        address = queue.popleft()
        content, is_page = await page(app, address)
        if is_page:
            text = content.decode()
            for found in LINK.finditer(text):
                to = html.unescape(found["address"]).partition("#")[0]
                if to not in seen and wanted(to):
                    seen[to] = None
                    queue.append(to)
            content = linked(text, address, wanted).encode()
        if len(seen) > MOST:
            raise UsageError(
                f"this store takes more than {MOST:,} files: name the studies that matter with --study, once for each"
            )
        put(folder / file_of(address), content)
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"{len(seen) - len(queue)} of {len(seen)} files so far")
    if studies:
        target = file_of(begin[0])
        put(folder / "index.html", f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={target}">'.encode())
    return len(seen)


def is_wanted(studies: Sequence[int]) -> Callable[[str], bool]:
    """Which addresses become files: none that only a server can answer, and of chosen studies nothing beyond them."""

    def wanted(address: str) -> bool:
        path = urlsplit(address).path
        if path.startswith(("/static/", "/compare", "/pulse")):
            return False
        if not studies:
            return True
        of_study = re.match(r"/studies/(\d+)", path)
        if of_study:
            return int(of_study[1]) in studies
        return bool(re.match(r"/(runs/\d|techniques/.)", path))

    return wanted


async def page(app: Starlette, address: str) -> tuple[bytes, bool]:
    """What the application answers, once it has computed it; and whether it is a page."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status, kind, body = await ask(app, address)
        if status != 200:
            raise HarnessError(f"the page {address} can't be made: {text_of(body)}")
        if WAITING not in body or not kind.startswith("text/html"):
            return body, kind.startswith("text/html")
        if time.monotonic() > deadline:
            raise HarnessError(f"the page {address} was not ready within {PATIENCE_S:.0f} s")
        await asyncio.sleep(0.2)


async def ask(app: Starlette, address: str) -> tuple[int, str, bytes]:
    parts = urlsplit(address)
    scope = {
        "type": "http", "method": "GET", "path": parts.path, "raw_path": parts.path.encode(), "http_version": "1.1",
        "query_string": parts.query.encode(), "headers": [(b"host", b"localhost")], "scheme": "http",
        "server": ("localhost", 80), "client": None, "root_path": "",
    }  # fmt: skip
    status, kind, body = 500, "", bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, kind
        if message["type"] == "http.response.start":
            status = message["status"]
            kind = dict(message["headers"]).get(b"content-type", b"").decode()
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, kind, bytes(body)


def text_of(body: bytes) -> str:
    main = body.decode(errors="replace").partition("<main")[2].partition("</main>")[0]
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", "<" + main).split()))


# Addresses as files.


def file_of(address: str) -> str:
    """`/studies/1?page=2` → `studies/1--page-2.html`; what a file's name can't hold becomes a number."""
    parts = urlsplit(address)
    path = parts.path.strip("/") or "index"
    words = "-".join(word for pair in parse_qsl(parts.query) for word in pair)
    if words:
        plain = re.sub(r"[^A-Za-z0-9.-]", "_", words)[:60]
        words = f"--{plain}" if plain == words else f"--{plain}-{digest(parts.query)[:8]}"
    stem, dot, end = path.rpartition(".")
    if dot and end in ("csv", "md", "tex"):
        return f"{safe(stem)}{words}.{end}"
    return f"{safe(path)}{words}.html"


def safe(path: str) -> str:
    return "/".join(re.sub(r"[^A-Za-z0-9._+-]", "_", part).lstrip(".") or "_" for part in path.split("/"))


def linked(text: str, address: str, wanted: Callable[[str], bool]) -> str:
    """Links lead to files beside this one; those to what is no file lead nowhere."""
    here = os.path.dirname(file_of(address)) or "."

    def to_file(found: re.Match[str]) -> str:
        to, _, mark = html.unescape(found["address"]).partition("#")
        if to.startswith("/static/"):
            target = to.lstrip("/")
        elif wanted(to):
            target = file_of(to)
        else:
            return ""
        return f'{found["name"]}="{html.escape(os.path.relpath(target, here))}{"#" + mark if mark else ""}"'

    return LINK.sub(to_file, text)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
