"""Small pieces of writing rows: in batches, tolerant of rows already there, in values every database takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table

T = TypeVar("T")


def batches(values: Iterable[T], size: int = 900) -> Iterator[list[T]]:
    """Lists short enough for one statement: a database limits its parameters."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def add(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Inserts rows, leaving alone those whose key is there already."""
    given = list(rows)
    if given:
        connection.execute(_keeping(connection, table), given)


def add_one(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """As `add`; whether the row came in."""
    # SQLAlchemy forgets the count of an INSERT on PostgreSQL unless asked to keep it.
    counted = _keeping(connection, table).values(row).execution_options(preserve_rowcount=True)
    return connection.execute(counted).rowcount == 1


def _keeping(connection: Connection, table: Table) -> Insert:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def storable(text: str) -> str:
    """Text that every database takes: no lone surrogates, no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def known(value: float | None, reason: str | None) -> dict[str, Any]:
    """Columns of a number: NaN is unknown, and what is unknown has a reason."""
    if value is not None and not math.isnan(value):
        return {"value": float(value), "reason": reason}
    return {"value": None, "reason": reason or ("not a number" if value is not None else "no reason given")}
