"""Finished comparisons, kept; indexes for those who look through many runs."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Column, Float, ForeignKey, Integer, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "comparison",
        Column("study_id", Integer, ForeignKey("study.id"), primary_key=True),
        Column("version", Text, nullable=False),
        Column("made", Float, nullable=False),
        Column("content", JSON, nullable=False),
    )
    op.create_index("ix_run_label", "run", ["label"])
    op.create_index("ix_run_updated", "run", ["updated"])
