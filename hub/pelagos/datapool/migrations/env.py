"""What Alembic runs for each migration: in the transaction of `database.migrate`."""

from alembic import context
from alembic.runtime.migration import MigrationContext
from pelagos.datapool.tables import metadata

connection = context.config.attributes["connection"]
context.config.attributes["check"](MigrationContext.configure(connection).get_current_revision())
# SQLite's tables are made in the transaction too, or not at all
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
