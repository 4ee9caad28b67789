"""Runs with their samples, scores and readings; the sessions that timed them; the studies that compare them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_runs()
    create_samples()
    create_sessions()
    create_studies()


def create_runs() -> None:
    op.create_table(
        "environment",
        Column("id", Integer, primary_key=True),
        Column("fingerprint", String(64), nullable=False, unique=True),
        Column("facts", JSON, nullable=False),
    )
    op.create_table(
        "run",
        Column("id", Integer, primary_key=True),
        Column("key", String(64), nullable=False),
        Column("environment_id", Integer, ForeignKey("environment.id"), nullable=False),
        Column("label", Text, nullable=False),
        Column("task", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("device", Text, nullable=False),
        Column("seed", BigInteger, nullable=False),
        Column("spec", JSON, nullable=False),
        Column("identity", JSON, nullable=False),
        Column("about", JSON, nullable=False),
        Column("planned", Integer, nullable=False),
        Column("status", String(16), nullable=False),
        Column("reason", Text),
        Column("owner", Text),
        Column("heartbeat", Float),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
        UniqueConstraint("key", "environment_id"),
    )
    op.create_index("ix_run_status", "run", ["status"])
    op.create_index("ix_run_task_model", "run", ["task", "model"])
    op.create_table(
        "tag",
        Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
        Column("tag", Text, primary_key=True),
    )
    op.create_table(
        "source",
        Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
        Column("name", Text, primary_key=True),
        Column("count", BigInteger, nullable=False),
        Column("sha256", String(64)),
        Column("split", Text),
        Column("note", Text),
    )


def create_samples() -> None:
    op.create_table(
        "prompt",
        Column("hash", String(64), primary_key=True),
        Column("text", Text, nullable=False),
    )
    op.create_table(
        "sample",
        Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("stratum", Text, nullable=False),
        Column("cluster", Text),
        Column("prompt_hash", String(64), nullable=False),
        Column("target", JSON),
        Column("output", JSON, nullable=False),
        Column("answer", Text, nullable=False),
        Column("evidence", JSON, nullable=False),
        Column("observed", JSON, nullable=False),
        Column("created", Float, nullable=False),
    )
    op.create_table(
        "score",
        Column("run_id", Integer, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("metric", Text, primary_key=True),
        Column("value", Float),
        Column("reason", Text),
        ForeignKeyConstraint(["run_id", "number"], ["sample.run_id", "sample.number"]),
        sqlite_with_rowid=False,
    )


def create_sessions() -> None:
    op.create_table(
        "session",
        Column("id", Integer, primary_key=True),
        Column("measure", JSON, nullable=False),
        Column("environment_id", Integer, ForeignKey("environment.id"), nullable=False),
        Column("status", String(16), nullable=False),
        Column("owner", Text),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    )
    op.create_index("ix_session_status", "session", ["status"])
    op.create_table(
        "arm",
        Column("session_id", Integer, ForeignKey("session.id"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    )
    op.create_index("ix_arm_run_id", "arm", ["run_id"])
    op.create_table(
        "reading",
        Column("id", Integer, primary_key=True),
        Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
        Column("session_id", Integer, ForeignKey("session.id")),
        Column("position", Integer),
        Column("process", Integer),
        Column("sample", Integer),
        Column("meter", Text, nullable=False),
        Column("meter_revision", Integer, nullable=False),
        Column("metric", Text, nullable=False),
        Column("value", Float),
        Column("unit", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("reason", Text),
        Column("detail", JSON),
        Column("created", Float, nullable=False),
    )
    op.create_index("ix_reading_run_id_meter", "reading", ["run_id", "meter"])
    op.create_index("ix_reading_session_id_position_process", "reading", ["session_id", "position", "process"])


def create_studies() -> None:
    op.create_table(
        "study",
        Column("id", Integer, primary_key=True),
        Column("command", Text, nullable=False),
        Column("measure", Text, nullable=False),
        Column("status", String(16), nullable=False),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    )
    op.create_index("ix_study_updated", "study", ["updated"])
    op.create_table(
        "member",
        Column("study_id", Integer, ForeignKey("study.id"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
        Column("role", String(16), nullable=False),
        Column("baseline_id", Integer, ForeignKey("run.id")),
        Column("session_id", Integer, ForeignKey("session.id")),
        Column("quality", Boolean, nullable=False),
    )
    op.create_index("ix_member_run_id", "member", ["run_id"])
