"""The register's engine: transactions, version check, and errors that people can act on."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from config.errors import (
    RegisterCorruptError,
    RegisterLockedError,
    RegisterMissingError,
    RegisterUnavailableError,
    RegisterUnsupportedError,
    RegisterVersionError,
    SealdockError,
)

SCHEMA_VERSION = "0001"
"""Newest migration in ``metadata/migrations/versions``."""

BUSY_TIMEOUT = timedelta(seconds=20)
"""How long a writer waits for another process before RegisterLockedError."""

# Result codes of SQLite: https://www.sqlite.org/rescode.html
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AWAY = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


class Register:
    """One register. ``read`` and ``write`` give a session and own its transaction.

    Writers take the database's write lock at once (BEGIN IMMEDIATE), so that what they read is
    still true when they commit. Threads of one process queue on a lock of our own first: SQLite's
    busy handler sleeps and polls, which would cost up to 100 ms a turn.
    """

    def __init__(self, url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise RegisterUnsupportedError(url=parsed.render_as_string(hide_password=True))
        self.url = parsed.render_as_string(hide_password=True)
        self._engine = _sqlite_engine(url, busy_timeout)
        self._writer = self._engine.execution_options(immediate=True)
        self._turn = threading.RLock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading one consistent snapshot; nothing it changes is kept."""
        with self._translated(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session that holds the write lock; commits at the end, rolls back on an error."""
        with (
            self._turn,
            self._translated(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            session.connection()  # BEGIN IMMEDIATE now, not at the first statement
            yield session

    def require(self) -> None:
        """Raise RegisterMissingError where the file is gone: opening would make an empty one in its place."""
        database = self._engine.url.database
        if database and not Path(database).exists():
            raise RegisterMissingError(url=self.url)

    def check_version(self) -> None:
        """Raise RegisterVersionError unless the schema is the one this software was written for."""
        with self._translated(), self._engine.connect() as connection:
            found = _version(connection)
        if found != SCHEMA_VERSION:
            raise RegisterVersionError(url=self.url, found=found or "none", expected=SCHEMA_VERSION)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a plain connection in one transaction that holds the write lock, for migrations."""
        with self._turn, self._translated(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            translated = _translation(error, self.url)
            if translated is None:
                raise
            raise translated from error


def _sqlite_engine(url: str, busy_timeout: timedelta) -> Engine:
    wait = {"timeout": busy_timeout.total_seconds()}
    engine = create_engine(url, pool_size=8, max_overflow=8, connect_args=wait)

    @event.listens_for(engine, "connect")
    def configure(dbapi: object, _entry: ConnectionPoolEntry) -> None:
        # The driver must not open transactions behind our back: BEGIN is ours.
        dbapi.isolation_level = None  # type: ignore[attr-defined]
        cursor = dbapi.cursor()  # type: ignore[attr-defined]
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _version(connection: Connection) -> str | None:
    try:
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    except OperationalError as error:
        if "no such table" in str(error.orig):
            return None
        raise
    return None if row is None else str(row[0])


def _translation(error: DBAPIError, url: str) -> SealdockError | None:
    """Return what to tell people instead of a driver's error, or None for what is a mistake of ours."""
    if not isinstance(error.orig, sqlite3.Error):
        return None
    problem = str(error.orig)
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # without the extended bits
    if code in _BUSY:
        return RegisterLockedError(url=url)
    if code in _DAMAGED:
        return RegisterCorruptError(url=url, problem=problem)
    if code in _AWAY:
        return RegisterUnavailableError(url=url, problem=problem)
    if "no such table" in problem:
        return RegisterVersionError(url=url, found="none", expected=SCHEMA_VERSION)
    return None
