"""The toy laboratory of tests/engine/toys: an installed plugin without torch, and the command line over it.

Tests of the store run on SQLite and on PostgreSQL: on the server that HARNESS_TEST_POSTGRES names
(postgresql://user@host/postgres), else on one of their own where its programs are installed. With
HARNESS_TEST_POSTGRES=start a machine without them fails instead of skipping.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from pwd import getpwall
from typing import NamedTuple
from uuid import uuid4

import pytest

TOYS = Path(__file__).parent / "engine" / "toys"
WORDS = ("task=counting", "model=counter", "device=cpu", "device.threads=1", "measure.warmups=1", "measure.samples=2")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Lab:
    """Commands in a folder of their own, with a store and a log of all that was executed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "store.sqlite"
        self.log = root / "log"
        self.cure = root / "cure"  # once it is there, nothing crashes while it is timed
        self.env = {
            "HARNESS_CACHE": str(root / "cache"),
            "HARNESS_PLUGINS": "toy_lab,identity",
            "HARNESS_STORE": str(self.store),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(TOYS), os.environ.get("PYTHONPATH", "")])),
            "TOY_CURE": str(self.cure),
            "TOY_LOG": str(self.log),
        }

    def harness(self, *args: str) -> Ended:
        """A command in this process, as its entry point runs it."""
        from harness.cli.main import main

        out, err, argv = io.StringIO(), io.StringIO(), sys.argv
        handler = signal.getsignal(signal.SIGTERM)
        sys.argv = ["harness", *args]
        code = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        finally:
            sys.argv = argv
            signal.signal(signal.SIGTERM, handler)
        return Ended(code, out.getvalue(), err.getvalue())

    def run(self, *words: str) -> Ended:
        return self.harness("run", *words, *WORDS)

    def start(self, *args: str, **env: str) -> subprocess.Popen:
        """A command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", "from harness.cli.main import main; main()", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env={**os.environ, **self.env, **env},
        )

    def start_run(self, *words: str) -> subprocess.Popen:
        return self.start("run", *words, *WORDS)

    def rows(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self.store)) as connection:
            return connection.execute(query).fetchall()

    def runs(self) -> dict[str, tuple[str, int]]:
        """Status and samples done of each run, by what makes it fail, else by its label."""
        query = """SELECT label, spec, status, (SELECT count(*) FROM sample WHERE run_id = run.id) FROM run"""
        return {
            json.loads(spec)["stack"][-1]["knobs"].get("how", label): (status, done)
            for label, spec, status, done in self.rows(query)
        }

    def results(self) -> list[tuple]:
        """Everything that must not depend on how often a command was interrupted."""
        return self.rows(
            "SELECT label, sample.number, output, answer, evidence, observed, prompt_hash, metric, value "
            "FROM run JOIN sample ON run.id = sample.run_id "
            "JOIN score ON run.id = score.run_id AND sample.number = score.number ORDER BY label, sample.number"
        )

    def logged(self, word: str) -> list[str]:
        """Lines that begin with a word."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(word)]

    def is_sound(self) -> bool:
        return self.rows("PRAGMA integrity_check") == [("ok",)]


@contextmanager
def opened(root: Path) -> Iterator[Lab]:
    made = Lab(root)
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.env.items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(TOYS))
        yield made
    for name in set(sys.modules) - before:  # the next lab may hold another plugin of the same name
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(root) or name == "toy_lab":
            del sys.modules[name]


@pytest.fixture
def lab(tmp_path):
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory):
    """One lab for the tests of a module that only look at what a command did."""
    with opened(tmp_path_factory.mktemp("lab")) as made:
        yield made


POSTGRES = os.environ.get("HARNESS_TEST_POSTGRES", "")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server where databases may be created."""
    if POSTGRES not in ("", "start"):
        yield POSTGRES
        return
    found = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
    if found is None or find_spec("psycopg") is None:
        missing = "PostgreSQL is not installed: apt install postgresql, pip install 'harness-ml[postgres]'"
        (pytest.fail if POSTGRES else pytest.skip)(missing)
    with served(found) as url:
        yield url


@contextmanager
def served(programs: Path) -> Iterator[str]:
    """A server in a folder of its own, reached through a socket there; it refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    names = {entry.pw_name for entry in getpwall()}
    user = next(name for name in ("postgres", "nobody") if name in names) if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    run = partial(subprocess.run, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    pg_ctl = [programs / "pg_ctl", "--pgdata", folder / "data", "--wait", "--log", folder / "log"]
    settings = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=40 -c shared_buffers=32MB"
    try:
        run(
            [programs / "initdb", "--auth=trust", "--username=harness", "--no-sync", "--encoding=UTF8", folder / "data"]
        )
        run([*pg_ctl, "--options", settings, "start"])
        try:
            yield f"postgresql://harness@/postgres?host={folder}"
        finally:
            run([*pg_ctl, "--mode=immediate", "stop"])
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_database(postgres: str) -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    with database(postgres) as url:
        yield url


@contextmanager
def database(postgres: str) -> Iterator[str]:
    from sqlalchemy.engine import make_url

    from harness.store.connect import Place, connect

    name = f"harness_{uuid4().hex}"
    server = connect(Place.parse(postgres), "rw").execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture(scope="module")
def shared_postgres_database(postgres: str) -> Iterator[str]:
    """One database for the tests of a module."""
    with database(postgres) as url:
        yield url
