"""Alembic runs this module; the connection comes from ``metadata.schema``."""

from alembic import context

from metadata.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
