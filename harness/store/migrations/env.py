"""Alembic's entry. It migrates on the connection, and in the transaction, that `harness.store.schema` opened."""

from alembic import context

from harness.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by building it anew
)
with context.begin_transaction():
    context.run_migrations()
