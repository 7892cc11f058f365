"""Alembic runs this file for every command; ``migrations.upgrade`` hands it an open connection."""

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.schema import CreateSchema

from migrations.scope import SCOPE
from omop_schema import LAKE, metadata


def run(connection: Connection) -> None:
    """Run the command's migrations in one transaction."""
    context.configure(connection=connection, target_metadata=metadata, **SCOPE)
    with context.begin_transaction():
        # Alembic notes the revision in this schema, so it must stand before the first migration.
        connection.execute(CreateSchema(LAKE, if_not_exists=True))
        context.run_migrations()


run(context.config.attributes["connection"])
