"""A store in a temporary folder, and short ways to put runs into it.

With HARNESS_TEST_POSTGRES=postgresql://user@host/postgres the same tests run on PostgreSQL too,
each in a database of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from harness.store.records import RunRecord, SampleRecord
from harness.store.writer import Store, open_store

POSTGRES = os.environ.get("HARNESS_TEST_POSTGRES")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "harness.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def url(request: pytest.FixtureRequest, path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{path}"
        return
    name = f"harness_{uuid4().hex}"
    server = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as opened:
        yield opened


@pytest.fixture
def reader(store: Store, url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def here(store: Store) -> int:
    """The id of an environment."""
    return store.environment("here", {"cpu": "small"})


@pytest.fixture
def record(here: int) -> Callable[..., RunRecord]:
    def build(key: str = "a", **columns: object) -> RunRecord:
        plain = {
            "environment_id": here,
            "label": key,
            "task": "ruler",
            "model": "smollm2",
            "device": "cpu",
            "seed": 0,
            "spec": {"samples": 2},
            "identity": {"revision": 1},
            "about": {},
            "planned": 2,
        }
        return RunRecord(key=key, **{**plain, **columns})

    return build


@pytest.fixture
def new_run(store: Store, record: Callable[..., RunRecord]) -> Callable[..., int]:
    def store_run(key: str = "a", **columns: object) -> int:
        return store.ensure_run(record(key, **columns))

    return store_run


@pytest.fixture
def sample() -> Callable[..., SampleRecord]:
    def build(number: int = 0, **columns: object) -> SampleRecord:
        plain = {
            "stratum": "niah_single_1",
            "prompt_hash": f"hash-{number}",
            "output": {"ids": [1, 2]},
            "answer": "seven",
            "prompt": "What is the number?",
        }
        return SampleRecord(number=number, **{**plain, **columns})

    return build
