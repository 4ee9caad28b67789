"""Which schema a database holds, and the way to ours. Alembic is imported only where there is a way to go."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from harness.spec.errors import StoreError
from harness.store.connect import PATIENCE_S, Mode, Place, complaint, connect
from harness.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

SCHEMA = "0003"  # the newest migration
LOCK = 0x6861726E657373  # "harness": what every process of ours asks PostgreSQL to lock


def look(place: Place) -> str | None:
    """The schema at `place`, None where it is empty. Writes nothing.

    Raises:
        StoreError: another program's database, or one a newer harness wrote.
    """
    if place.path and place.path.is_dir():
        raise StoreError(f"store {place} is a folder: name a file in it, such as {place.path / 'harness.sqlite'}")
    if place.path and not place.path.exists():
        return None
    try:
        return _look(place, "ro")
    except DBAPIError as error:
        # A command was killed while it wrote: what it left half done is rolled back, which is writing.
        if complaint(error.orig) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        return _look(place, "rw")


def _look(place: Place, mode: Mode) -> str | None:
    engine = connect(place, mode)
    try:
        with engine.connect() as connection:
            return found(connection, place)
    finally:
        engine.dispose()


def found(connection: Connection, place: Place) -> str | None:
    """As `look`, on an open connection."""
    names = set(inspect(connection).get_table_names())
    if not names:
        return None
    schema = _version(connection) if "alembic_version" in names else None
    if schema is None or not schema.isdigit():
        raise StoreError(
            f"{place} is another program's database: it was left as it is; name another store with store.url="
        )
    if schema > SCHEMA:
        raise StoreError(
            f"store {place} was written by a newer harness (schema {schema}, this one knows {SCHEMA}): "
            f"upgrade harness, or name another store with store.url="
        )
    if schema == SCHEMA and not names.issuperset(metadata.tables):
        lost = ", ".join(sorted(set(metadata.tables) - names))
        raise StoreError(
            f"{place} is no store of results (it lacks: {lost}): it was left as it is; "
            f"name another store with store.url="
        )
    return schema


def _version(connection: Connection) -> str | None:
    version: str | None = connection.scalar(select(column("version_num")).select_from(table("alembic_version")))
    return version


def upgrade(place: Place) -> None:
    """Brings `place` to our schema, whoever else tries at the same time; creates what is missing."""
    with _alone(place) as connection:
        if found(connection, place) != SCHEMA:
            _migrate(connection)


@contextmanager
def _alone(place: Place) -> Iterator[Connection]:
    """A transaction that waits for every other of its kind. References are unchecked: a table may be built anew."""
    engine = connect(place, "rwc", foreign_keys=False)
    try:
        with engine.execution_options(begin="EXCLUSIVE").begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            yield connection
    finally:
        engine.dispose()


def alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _migrate(connection: Connection) -> None:
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def read_while_written(path: Path) -> None:
    """Switches a SQLite file to its write-ahead log, where it isn't. The file remembers."""
    deadline = time.monotonic() + PATIENCE_S
    with closing(sqlite3.connect(path, timeout=PATIENCE_S)) as raw:
        while raw.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                raw.execute("PRAGMA journal_mode=WAL")
                return  # a file system that can't share memory keeps its rollback journal
            except sqlite3.OperationalError as error:
                # SQLite doesn't wait for this lock, whatever the timeout.
                if complaint(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
