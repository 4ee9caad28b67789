"""The store's tables. Migrations under `migrations/versions/` lead here one step at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy import Text as AnyText
from sqlalchemy import UniqueConstraint as Unique

from harness.store.rows import storable


class Text(TypeDecorator[str]):
    """Whatever a plugin said, as text that every database takes."""

    impl = AnyText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else storable(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Times are seconds since 1970 (UTC).

environment = Table(
    "environment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False, unique=True),  # hash of what splits comparisons
    Column("facts", JSON, nullable=False),  # hardware, versions
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False),  # hash of `identity`
    Column("environment_id", ForeignKey("environment.id"), nullable=False),
    Column("label", Text, nullable=False),  # stack: method names joined by +
    Column("task", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("spec", JSON, nullable=False),  # RunSpec, every setting resolved
    Column("identity", JSON, nullable=False),  # what was hashed: hashed settings, code, revisions, versions
    Column("about", JSON, nullable=False),  # nominal, conditions, notes, simulated, metrics, code state
    Column("planned", Integer, nullable=False),  # samples
    Column("status", String(16), nullable=False),  # planned running done stopped failed invalid
    Column("reason", Text),
    Column("owner", Text),  # host:pid:start of the command that works on it, while one does
    Column("heartbeat", Float),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Unique("key", "environment_id"),
    Index(None, "status"),
    Index(None, "task", "model"),
    Index(None, "label"),
    Index(None, "device"),
    Index(None, "updated"),
)

tag = Table(
    "tag",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("tag", Text, primary_key=True),
)

source = Table(
    "source",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("sha256", String(64)),
    Column("split", Text),
    Column("note", Text),
)

prompt = Table(
    "prompt",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("text", Text, nullable=False),
)

sample = Table(
    "sample",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("stratum", Text, nullable=False),
    Column("cluster", Text),
    Column("prompt_hash", String(64), nullable=False),  # of the request, ids and all
    Column("target", JSON(none_as_null=True)),
    Column("output", JSON, nullable=False),
    Column("answer", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("observed", JSON, nullable=False),
    Column("created", Float, nullable=False),
)

score = Table(
    "score",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("value", Float),
    Column("reason", Text),
    ForeignKeyConstraint(["run_id", "number"], ["sample.run_id", "sample.number"]),
    sqlite_with_rowid=False,  # scores of a run lie together
)

session = Table(
    "session",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("measure", JSON, nullable=False),  # Measure
    Column("environment_id", ForeignKey("environment.id"), nullable=False),
    Column("status", String(16), nullable=False),  # open done abandoned
    Column("owner", Text),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),  # also its owner's heartbeat
    Index(None, "status"),
)

arm = Table(
    "arm",
    metadata,
    Column("session_id", ForeignKey("session.id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 is the baseline
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Index(None, "run_id"),
)

reading = Table(
    "reading",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Column("session_id", ForeignKey("session.id")),  # null: not timed, used again by any study
    Column("position", Integer),  # the arm within the session
    Column("process", Integer),  # which fresh process of the arm
    Column("sample", Integer),  # which timed sample, where the reading is of one
    Column("meter", Text, nullable=False),
    Column("meter_revision", Integer, nullable=False),
    Column("metric", Text, nullable=False),
    Column("value", Float),
    Column("unit", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text),
    Column("detail", JSON(none_as_null=True)),
    Column("created", Float, nullable=False),
    Index(None, "run_id", "meter"),
    Index(None, "session_id", "position", "process"),
)

study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("command", Text, nullable=False),  # as typed
    Column("measure", Text, nullable=False),  # its name
    Column("status", String(16), nullable=False),  # running done stopped failed
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Index(None, "updated"),
)

member = Table(
    "member",
    metadata,
    Column("study_id", ForeignKey("study.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Column("role", String(16), nullable=False),  # baseline method control
    Column("baseline_id", ForeignKey("run.id")),  # null for a baseline
    Column("session_id", ForeignKey("session.id")),  # whose timings this study shows
    Column("quality", Boolean, nullable=False, default=True),
    Index(None, "run_id"),
)

comparison = Table(
    "comparison",
    metadata,
    Column("study_id", ForeignKey("study.id"), primary_key=True),
    Column("version", Text, nullable=False),  # what wrote `content`; no other may read it
    Column("made", Float, nullable=False),  # when the runs were read
    Column("content", JSON, nullable=False),  # what `harness.report` found
)
