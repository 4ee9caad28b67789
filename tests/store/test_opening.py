from __future__ import annotations

import functools
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from harness.spec.errors import StoreError
from harness.store import connect
from harness.store.schema import SCHEMA, read_while_written
from harness.store.writer import open_store


def refusal(path, create=True) -> str:
    with pytest.raises(StoreError) as refused:
        open_store(f"sqlite:///{path}", create=create)
    return str(refused.value)


def test_reading_creates_nothing(path):
    assert "there are no results in" in refusal(path, create=False)
    assert "harness run +method=NAME task=NAME" in refusal(path, create=False)
    assert not path.parent.exists()


def test_an_empty_file_holds_no_results_yet(path):
    path.parent.mkdir()
    path.touch()

    assert "there are no results in" in refusal(path, create=False)
    open_store(f"sqlite:///{path}", create=True).close()
    open_store(f"sqlite:///{path}").close()


@pytest.mark.parametrize("name", ["with space.sqlite", "50%.sqlite", "a#b.sqlite", "ünïcode.sqlite"])
def test_unusual_names_are_taken_literally(tmp_path, name):
    open_store(connect.store_url(str(tmp_path / name)), create=True).close()

    open_store(connect.store_url(str(tmp_path / name))).close()
    assert (tmp_path / name).exists()


def test_readers_are_not_kept_waiting_by_a_writer(store, url, new_run):
    if store.place.path is None:
        pytest.skip("of SQLite")
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE run SET status = 'failed'")
        with open_store(url) as reader:
            assert reader.progress([1]) == {1: 0}


def test_a_store_opened_for_reading_can_not_be_written(reader, here):
    if reader.place.path is None:
        pytest.skip("of SQLite")
    with pytest.raises(StoreError, match="can't be written"):
        reader.environment("there", {})


def test_a_crash_while_writing_leaves_a_readable_store(path):
    writer = (
        "import os, sys; from harness.store.writer import open_store\n"
        "store = open_store(sys.argv[1], create=True); store.environment('kept', {})\n"
        "context = store.write(); connection = context.__enter__()\n"
        "connection.exec_driver_sql(\"INSERT INTO environment (fingerprint, facts) VALUES ('lost', '{}')\")\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", writer, f"sqlite:///{path}"])

    with open_store(f"sqlite:///{path}") as reader, reader.read() as connection:
        assert connection.exec_driver_sql("SELECT fingerprint FROM environment").all() == [("kept",)]


def test_a_crash_while_creating_leaves_a_store_that_can_be_created(path):
    creator = (
        "import os, sys; from harness.store import schema; from harness.store.connect import Place\n"
        "place = Place.parse(sys.argv[1]); place.path.parent.mkdir()\n"
        "context = schema._alone(place); connection = context.__enter__(); schema._migrate(connection)\n"
        "connection.exec_driver_sql('PRAGMA cache_spill=1'); connection.exec_driver_sql('PRAGMA cache_size=1')\n"
        "connection.exec_driver_sql('CREATE TABLE spilled AS WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i FROM n')\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", creator, f"sqlite:///{path}"])
    assert path.stat().st_size > 0
    assert path.with_name("harness.sqlite-journal").stat().st_size > 0

    assert "there are no results in" in refusal(path, create=False)
    open_store(f"sqlite:///{path}", create=True).close()


def test_a_newer_store_is_refused_and_untouched(path):
    open_store(f"sqlite:///{path}", create=True).close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    before = path.read_bytes()

    expected = (
        f"was written by a newer harness (schema 0999, this one knows {SCHEMA}): upgrade harness, or name another"
    )
    assert expected in refusal(path)
    assert expected in refusal(path, create=False)
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_database_is_refused_and_untouched(tmp_path, create):
    file = tmp_path / "notes.txt"
    file.write_bytes(b"these are my notes, not a database\n" * 100)
    before = file.read_bytes()

    assert "is not a database: it was left as it is" in refusal(file, create)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("create", [True, False])
def test_a_damaged_store_is_refused_and_untouched(path, create):
    open_store(f"sqlite:///{path}", create=True).close()
    damaged = bytearray(path.read_bytes())
    damaged[100:4096] = b"\xff" * 3996
    path.write_bytes(damaged)

    assert "is damaged" in refusal(path, create)
    assert path.read_bytes() == bytes(damaged)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE album (title TEXT)"],
        ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('v3.0.0.d')"],
        ["CREATE TABLE alembic_version (version_num TEXT)", f"INSERT INTO alembic_version VALUES ('{SCHEMA}')"],
    ],
)
def test_a_database_of_another_program_is_refused_and_untouched(tmp_path, statements, create):
    file = tmp_path / "albums.db"
    with closing(sqlite3.connect(file)) as raw, raw:
        for statement in statements:
            raw.execute(statement)
    before = file.read_bytes()

    assert "it was left as it is; name another store with store.url=" in refusal(file, create)
    assert file.read_bytes() == before


def test_a_folder_is_no_store(tmp_path):
    assert f"is a folder: name a file in it, such as {tmp_path}/harness.sqlite" in refusal(tmp_path)


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "results").write_text("")

    assert "can't be opened" in refusal(tmp_path / "results" / "harness.sqlite")


def test_a_lock_that_does_not_go_away_is_explained(path, monkeypatch):
    monkeypatch.setattr(connect, "PATIENCE_S", 0.05)
    with open_store(f"sqlite:///{path}", create=True) as store:
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="stayed locked for 0 s by another program: close that program"):
                store.environment("here", {})
        store.environment("here", {})


def test_a_full_disk_is_explained_and_what_was_finished_is_kept(path):
    with open_store(f"sqlite:///{path}", create=True) as store:
        store.environment("small", {})
        with store.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(StoreError, match=r"the disk of store .* is full: make room, then give the same command"):
            store.environment("large", {"text": "x" * 1_000_000})

    with open_store(f"sqlite:///{path}", create=True) as store:
        assert store.environment("small", {}) == 1
        assert store.environment("large", {}) == 2


def test_a_full_disk_is_explained_when_the_folder_can_not_be_made(path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "mkdir", full)

    assert "is full: make room" in refusal(path)


def test_six_processes_open_one_fresh_store_at_once(path):
    opener = (
        "import sys; from harness.store.writer import open_store\n"
        "import alembic.command, sqlite3; print('ready', flush=True); sys.stdin.readline()\n"
        "with open_store(sys.argv[1], create=True) as store: print(store.environment('here', {}))"
    )
    command = [sys.executable, "-W", "error", "-c", opener, f"sqlite:///{path}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    openers = [subprocess.Popen(command, **pipes) for _ in range(6)]
    for process in openers:
        process.stdout.readline()
    for process in openers:
        process.stdin.write("go\n")
        process.stdin.flush()

    assert [process.communicate(timeout=60) for process in openers] == [("1\n", "")] * 6
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_switching_to_the_write_ahead_log_is_tried_until_it_works(path, monkeypatch):
    refusals = iter([True, True])

    class Busy(sqlite3.Connection):
        """As SQLite is at times, at once and whatever its timeout, when two processes switch together."""

        def execute(self, statement, *arguments):
            if "=WAL" in statement and next(refusals, False):
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(statement, *arguments)

    path.parent.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Busy))
        read_while_written(path)

    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
