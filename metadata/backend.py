"""What a register needs of its database, told alike for every engine that it speaks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from config.errors import SealdockError

SCHEMA_VERSION = "0001"
"""Newest migration in ``metadata/migrations/versions``."""

BUSY_TIMEOUT = timedelta(seconds=20)
"""How long a writer waits for another process before RegisterLockedError."""


@dataclass(frozen=True)
class Backend:
    """An open database.

    A transaction that ``reader`` begins sees one snapshot; one that ``writer`` begins holds the
    register's single write lock from its first moment. ``translate`` returns what to tell people
    instead of a driver's error, or None for what is a mistake of ours.
    """

    name: str
    reader: Engine
    writer: Engine
    translate: Callable[[DBAPIError], SealdockError | None]
