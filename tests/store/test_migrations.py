from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from harness.store import schema, writer
from harness.store.connect import Place, connect
from harness.store.tables import metadata
from harness.store.writer import open_store


def test_migrations_lead_to_the_tables(store):
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})

        assert compare_metadata(context, metadata) == []


def test_migrations_write_the_very_statements_of_the_tables(path, tmp_path):
    open_store(f"sqlite:///{path}", create=True).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    metadata.create_all(engine)
    engine.dispose()

    assert statements(path) - statements(tmp_path / "tables.sqlite") == {
        "CREATE TABLE alembic_version ( version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num) )"
    }
    assert statements(tmp_path / "tables.sqlite") - statements(path) == set()


def statements(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as raw:
        return {" ".join(sql.split()) for (sql,) in raw.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def test_the_newest_migration_is_the_schema_we_ask_for():
    assert ScriptDirectory.from_config(schema.alembic_config()).get_current_head() == schema.SCHEMA


def test_a_current_store_opens_without_alembic(path, monkeypatch):
    open_store(f"sqlite:///{path}", create=True).close()
    monkeypatch.setattr(schema, "_migrate", lambda connection: pytest.fail("alembic was asked for"))

    open_store(f"sqlite:///{path}", create=True).close()


HEAD = schema.SCHEMA
NEXT = f"{int(HEAD) + 1:04}"
SECOND = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"


def upgrade():
    with op.batch_alter_table("run") as run:
        run.add_column(sa.Column("colour", sa.Text))
        run.alter_column("label", new_column_name="stack")
"""


@pytest.fixture
def second_migration(tmp_path, monkeypatch):
    """A version of ours that knows one migration more."""
    folder = tmp_path / "migrations"
    shutil.copytree(Path(schema.__file__).parent / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{NEXT}_second.py").write_text(SECOND)
    config = schema.alembic_config()
    config.set_main_option("script_location", str(folder))
    monkeypatch.setattr(schema, "alembic_config", lambda: config)
    monkeypatch.setattr(schema, "SCHEMA", NEXT)
    monkeypatch.setattr(writer, "SCHEMA", NEXT)


def test_an_older_store_is_upgraded_with_its_results(store, url, new_run, sample, second_migration):
    store.add_sample(new_run("knorm"), sample(), [])

    open_store(url).close()

    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT stack, colour FROM run").all() == [("knorm", None)]
        assert connection.exec_driver_sql("SELECT number FROM sample").all() == [(0,)]


def test_a_failed_migration_leaves_the_store_as_it_was(url, store, second_migration, tmp_path):
    with (tmp_path / "migrations" / "versions" / f"{NEXT}_second.py").open("a") as file:
        file.write("    raise RuntimeError('halfway')\n")

    with pytest.raises(RuntimeError, match="halfway"):
        open_store(url, create=True)

    engine = connect(Place.parse(url), "rw")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [(HEAD,)]
        assert connection.exec_driver_sql("SELECT label FROM run").all() == []
    engine.dispose()
