"""Bring a register's schema to the version this software was written for."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from metadata.backend import SCHEMA_VERSION
from metadata.register import Register

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(register: Register, version: str = SCHEMA_VERSION) -> None:
    """Run every migration up to ``version`` in one transaction; an empty database is a first one."""
    with register.connection() as connection:
        command.upgrade(_config(connection), version)


def downgrade(register: Register, version: str) -> None:
    """Undo migrations down to ``version`` (``base`` for none) in one transaction."""
    with register.connection() as connection:
        command.downgrade(_config(connection), version)


def _config(connection: object) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
