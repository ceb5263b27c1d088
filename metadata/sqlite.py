"""The register in an SQLite file: WAL, durable, one writer at a time."""

import os
import sqlite3
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from config.errors import (
    RegisterCorruptError,
    RegisterLockedError,
    RegisterUnavailableError,
    RegisterVersionError,
    SealdockError,
)
from config.messages import Phrase, mark
from metadata.backend import SCHEMA_VERSION, Backend

_WAL_PAUSE_SECONDS = 0.02

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

_MAYBE_READ_ONLY = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


def backend(url: URL, shown: str, busy_timeout: timedelta) -> Backend:
    """Return the backend of a file; writers take its lock at once (BEGIN IMMEDIATE)."""
    wait = {"timeout": busy_timeout.total_seconds()}
    engine = create_engine(url, pool_size=8, max_overflow=8, connect_args=wait)

    @event.listens_for(engine, "connect")
    def configure(dbapi: object, _entry: ConnectionPoolEntry) -> None:
        # The driver must not open transactions behind our back: BEGIN is ours.
        dbapi.isolation_level = None  # type: ignore[attr-defined]
        cursor = dbapi.cursor()  # type: ignore[attr-defined]
        _use_wal(cursor, busy_timeout)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    writer = engine.execution_options(immediate=True)
    return Backend("sqlite", engine, writer, partial(_translation, url=shown, file=Path(url.database or "")))


def _use_wal(cursor: sqlite3.Cursor, patience: timedelta) -> None:
    """Switch a file to WAL. SQLite does not wait for a lock there: two that are the first could collide."""
    until = time.monotonic() + patience.total_seconds()
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
            if code not in _BUSY or time.monotonic() >= until:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return


def _translation(error: DBAPIError, *, url: str, file: Path) -> SealdockError | None:
    if not isinstance(error.orig, sqlite3.Error):
        return None
    problem: object = str(error.orig)
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # without the extended bits
    if code in _BUSY:
        return RegisterLockedError(url=url)
    if code in _DAMAGED:
        return RegisterCorruptError(url=url, problem=problem)
    if code in _MAYBE_READ_ONLY and not (os.access(file.parent, os.W_OK) and os.access(file, os.W_OK)):
        problem = Phrase(mark("it is read-only for this user, and reading needs a lock beside it, too"))
    if code in _AWAY:
        return RegisterUnavailableError(url=url, problem=problem)
    if "no such table" in str(error.orig):
        return RegisterVersionError(url=url, found="none", expected=SCHEMA_VERSION)
    return None
