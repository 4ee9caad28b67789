"""Where a store lies, how to reach it, and what to say when that fails."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from harness.spec.errors import StoreError
from harness.spec.records import Plain
from harness.store.rows import storable

DEFAULT = "sqlite:///results/harness.sqlite"
PATIENCE_S = 30.0  # how long to wait for a lock

Mode = Literal["ro", "rw", "rwc"]  # SQLite's: read, write, write and create the file


def store_url(setting: str | None) -> str:
    """`setting`, else $HARNESS_STORE, else results/harness.sqlite under the current folder; a path becomes a URL."""
    given = setting or os.environ.get("HARNESS_STORE") or DEFAULT
    if "://" in given:
        return given
    return URL.create("sqlite", database=str(Path(given).expanduser())).render_as_string(hide_password=False)


@dataclass(frozen=True)
class Place:
    """Where a store lies."""

    url: URL
    path: Path | None  # of a SQLite file, absolute

    @classmethod
    def parse(cls, url: str) -> Place:
        """
        Raises:
            StoreError: no URL of a SQLite file or a PostgreSQL database.
        """
        try:
            parsed = make_url(url)
            backend = parsed.get_backend_name()
        except ArgumentError:
            backend = ""
        if backend == "postgresql":
            return cls(parsed, None)
        if backend == "sqlite" and _names_a_file(parsed):
            return cls(parsed, Path(str(parsed.database)).absolute())
        raise StoreError(
            f"a store is a path, sqlite:///path/to/file (three slashes) or postgresql://user@host/name, got {url!r}; "
            f"correct store.url or HARNESS_STORE"
        )

    def __str__(self) -> str:
        return str(self.url.database) if self.path else self.url.render_as_string()


def _names_a_file(url: URL) -> bool:
    database = url.database or ""
    return not (url.host or url.query) and database not in ("", ":memory:") and not database.startswith("file:")


def connect(place: Place, mode: Mode, *, foreign_keys: bool = True) -> Engine:
    """An engine on `place`. A transaction begins as the execution option `begin` says, deferred by default.

    Raises:
        StoreError: the driver for its database is not installed.
    """
    try:
        if place.path is None:
            server = create_engine(_driven(place.url), json_serializer=_dumps)
            return server.execution_options(postgresql_readonly=True) if mode == "ro" else server
        database = f"file:{quote(str(place.path))}"
        url = URL.create("sqlite", database=database, query={"mode": mode, "uri": "true"})
        engine = create_engine(url, json_serializer=_dumps, connect_args={"timeout": PATIENCE_S})
    except ImportError as error:
        raise StoreError(f"store {place} needs the Python package {error.name}: pip install {error.name}") from error
    except ArgumentError as error:
        raise StoreError(f"store {place} can't be reached ({error}): correct store.url or HARNESS_STORE") from error
    _begin_ourselves(engine, foreign_keys)
    return engine


def _driven(url: URL) -> URL:
    """With the driver of the `postgres` extra where none is named: SQLAlchemy's default differs between versions."""
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _begin_ourselves(engine: Engine, foreign_keys: bool) -> None:
    # sqlite3 begins a transaction before the first change only, and not at all before DDL:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl

    @event.listens_for(engine, "connect")
    def set_up(raw: sqlite3.Connection, _record: Any) -> None:
        raw.isolation_level = None
        raw.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        raw.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")


ODD = re.compile(r"\\u(?:d[89a-f]|0000)")  # half a character, or NUL, as JSON escapes them


def _dumps(plain: Plain) -> str:
    """JSON that every database takes and every reader can print: see `_tame`."""
    try:
        text = json.dumps(plain, allow_nan=False)
    except ValueError:
        text = ""
    return text if text and not ODD.search(text) else json.dumps(_tame(plain), allow_nan=False)


def _tame(plain: Plain) -> Plain:
    """Numbers that are not finite become null, text what `storable` makes of it."""
    if isinstance(plain, dict):
        return {storable(key): _tame(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_tame(value) for value in plain]
    if isinstance(plain, str):
        return storable(plain)
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


UNREADABLE = (UnicodeDecodeError, json.JSONDecodeError)  # what was stored whole no longer is


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """What a database, or the disk under it, complains of becomes a StoreError that says what to do.

    A broken constraint is a mistake of ours and passes as it is.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise StoreError(_explanation(place, error.orig)) from error
    except (sqlite3.Error, OSError, *UNREADABLE) as error:
        raise StoreError(_explanation(place, error)) from error


def complaint(error: BaseException | None) -> int | None:
    """SQLite's primary result code, or its nearest to what the operating system said."""
    if isinstance(error, OSError):
        return {errno.ENOSPC: sqlite3.SQLITE_FULL, errno.EDQUOT: sqlite3.SQLITE_FULL}.get(
            error.errno or 0, sqlite3.SQLITE_CANTOPEN
        )
    if isinstance(error, UNREADABLE):
        return sqlite3.SQLITE_CORRUPT
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # the rest refines it


EXPLANATIONS = {
    sqlite3.SQLITE_BUSY: "store {place} stayed locked for {patience:.0f} s by another program: "
    "close that program, or try again later",
    sqlite3.SQLITE_READONLY: "store {place} can't be written: check the permissions of the file and its folder, "
    "or name another store with store.url=",
    sqlite3.SQLITE_IOERR: "store {place} can't be read or written ({said}): check the disk, "
    "then give the same command again",
    sqlite3.SQLITE_CORRUPT: "store {place} is damaged ({said}): it was left as it is; "
    "restore a copy, or name another store with store.url=",
    sqlite3.SQLITE_FULL: "the disk of store {place} is full: make room, then give the same command again; "
    "what was finished is kept",
    sqlite3.SQLITE_CANTOPEN: "store {place} can't be opened ({said}): check that its folder exists and can be written, "
    "which SQLite needs even to read, or name another store with store.url=",
    sqlite3.SQLITE_NOTADB: "{place} is not a database: it was left as it is; name another store with store.url=",
}


def _explanation(place: Place, error: BaseException | None) -> str:
    said = str(error).strip().partition("\n")[0]
    words = EXPLANATIONS.get(complaint(error) or -1, "store {place} can't be used ({said}): check store.url")
    return words.format(place=place, said=said, patience=PATIENCE_S)
