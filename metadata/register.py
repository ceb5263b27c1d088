"""The register: transactions, version check, and errors that people can act on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import URL, Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.errors import (
    RegisterCorruptError,
    RegisterMissingError,
    RegisterUnavailableError,
    RegisterUnsupportedError,
    RegisterVersionError,
)
from config.masking import mask
from config.messages import Phrase, mark
from metadata import events, sqlite
from metadata.actor import Actor, system_user
from metadata.backend import BUSY_TIMEOUT, SCHEMA_VERSION, Backend
from metadata.changes import WritingSession
from metadata.clock import now_utc

_ENGINE = "engine.db"
"""The engine's own records, which the first docking makes beside a register in the home."""


class Register:
    """One register. ``read`` and ``write`` give a session and own its transaction.

    Writers take the database's write lock at once, so that what they read is still true when they
    commit. Threads of one process queue on a lock of our own first: SQLite's busy handler sleeps
    and polls, which would cost up to 100 ms a turn, and on a server each would hold a connection.
    """

    def __init__(self, url: str, *, busy_timeout: timedelta = BUSY_TIMEOUT) -> None:
        parsed = make_url(url)
        self.url = mask(parsed.render_as_string(hide_password=True))
        self._backend = _backend(parsed, self.url, busy_timeout)
        self._turn = threading.RLock()
        self.custodian: Actor = system_user()
        """Who stands in the event of changes that have no event of their own."""
        self.guard: Callable[[], None] | None = None
        """Called once, before the first transaction that writes: it may refuse by raising."""

    @property
    def engine(self) -> str:
        """Return which database it is: ``sqlite`` or ``postgresql``."""
        return self._backend.name

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading one consistent snapshot; nothing it changes is kept."""
        with self._translated(), Session(self._backend.reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[WritingSession]:
        """Give a session that holds the write lock; commits at the end, rolls back on an error.

        What it changed in logged tables and no event of its own holds is logged with the commit.
        """
        self._ask_guard()
        with (
            self._turn,
            self._translated(),
            WritingSession(self._backend.writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            session.connection()  # the lock now, not at the first statement
            yield session
            if session.is_active:  # else it was rolled back within
                events.settle(session, self.custodian, now_utc())

    def _ask_guard(self) -> None:
        with self._turn:
            guard, self.guard = self.guard, None
            if guard is not None:
                try:
                    guard()
                except BaseException:
                    self.guard = guard
                    raise

    def require(self) -> None:
        """Raise RegisterMissingError where the file is gone: opening would make an empty one in its place.

        An empty file where work was done before is what is left of a register: RegisterCorruptError.
        Without that, it is what an `init` left that did not come to its end.
        """
        database = self._backend.reader.url.database
        if self._backend.name != "sqlite" or not database:
            return
        try:
            size = Path(database).stat().st_size
        except FileNotFoundError:
            raise RegisterMissingError(url=self.url) from None
        except OSError as error:
            raise RegisterUnavailableError(url=self.url, problem=error.strerror) from error
        if size == 0 and Path(database).with_name(_ENGINE).exists():
            raise RegisterCorruptError(url=self.url, problem=Phrase(mark("the file is empty")))

    def check_version(self) -> None:
        """Raise RegisterVersionError unless the schema is the one this software was written for."""
        with self._translated(), self._backend.reader.connect() as connection:
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        found = "none" if row is None else str(row[0])
        if found != SCHEMA_VERSION:
            raise RegisterVersionError(url=self.url, found=found, expected=SCHEMA_VERSION)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a plain connection in one transaction that holds the write lock, for migrations."""
        with self._turn, self._translated(), self._backend.writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._backend.writer.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            translated = self._backend.translate(error)
            if translated is None:
                raise
            raise translated from error


def _backend(url: URL, shown: str, busy_timeout: timedelta) -> Backend:
    if url.get_backend_name() == "sqlite" and url.database:
        return sqlite.backend(url, shown, busy_timeout)
    from metadata import postgres  # noqa: PLC0415 - a station with a register of its own needs no driver

    if url.drivername in postgres.DRIVERS and url.database:
        return postgres.backend(url, shown, busy_timeout)
    raise RegisterUnsupportedError(url=shown)
