"""Schema migrations of the register (Alembic)."""
