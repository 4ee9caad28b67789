"""A store, on SQLite in a temporary folder and on PostgreSQL in a database of its own, and short ways to fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.store.records import RunRecord, SampleRecord
from harness.store.writer import Store, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "harness.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, path: Path) -> str:
    return f"sqlite:///{path}" if request.param == "sqlite" else str(request.getfixturevalue("postgres_database"))


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
