"""The register in a PostgreSQL database (decision 11): one advisory lock makes writers take turns.

A writer takes the lock in its first statement and PostgreSQL lets go of it after the commit can be
seen. Under READ COMMITTED every later statement therefore sees all that earlier writers did, and
nobody writes beside it: the sequence of events has no gaps.
"""

import re
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from config.errors import (
    InvalidSettingError,
    RegisterCorruptError,
    RegisterLockedError,
    RegisterRefusedError,
    RegisterUnavailableError,
    RegisterVersionError,
    SealdockError,
)
from config.messages import Phrase, mark
from config.urls import NEEDS_TLS, is_loopback
from metadata.backend import SCHEMA_VERSION, Backend

DRIVERS = frozenset({"postgresql", "postgresql+psycopg"})

WRITE_LOCK = int.from_bytes(b"sealdock")
"""Number of the advisory lock; it belongs to one database."""

_STATEMENT_TIMEOUT = timedelta(minutes=2)
_IDLE_WRITER_TIMEOUT = timedelta(minutes=1)
"""A writer that stands still (a stopped process, a dead host) must not keep all others out."""

# A host that is gone without a word is noticed after a minute; an address in the settings may say otherwise.
_CONNECT: dict[str, int | str] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "sealdock",
}

# Whatever the server's defaults are: a commit that was reported is on disk.
_SESSION = """
SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false),
       set_config('TimeZone', 'UTC', false),
       CASE WHEN current_setting('synchronous_commit') = 'off'
            THEN set_config('synchronous_commit', 'on', false) END
"""

_TAKE_WRITE_LOCK = """
SELECT set_config('idle_in_transaction_session_timeout', %s, true), pg_advisory_xact_lock(%s)
"""

# Codes of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCKED = ("55P03", "40P01", "40001")
_DAMAGED = ("XX001", "XX002")
_AWAY = ("08", "53", "57", "58", "25006", "25P03", "25P04")
_REFUSED = ("28", "42501", "3D000", "3F000")
_NO_TABLE = "42P01"

# An error at the door carries no code, and the server's own words may be translated. What is not
# recognised counts as away: waiting for a server that will never let us in does no harm.
_REFUSED_WORDS = re.compile(
    r"authentication failed|does not exist|pg_hba\.conf|permission denied|not permitted|no password supplied"
    r"|certificate|does not support SSL|invalid connection option|invalid \w+ value"
    r"|认证失败|不存在|权限不够|不允许"
)


def backend(url: URL, shown: str, busy_timeout: timedelta) -> Backend:
    """Return the backend of a database; ``url`` must name one of ``DRIVERS``."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=True,
        connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def configure(dbapi: Any, _entry: ConnectionPoolEntry) -> None:
        _check_connection(dbapi.pgconn, shown)
        dbapi.execute(_SESSION, (_milliseconds(busy_timeout), _milliseconds(_STATEMENT_TIMEOUT)))
        dbapi.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("immediate", False):
            connection.exec_driver_sql(_TAKE_WRITE_LOCK, (_milliseconds(_IDLE_WRITER_TIMEOUT), WRITE_LOCK))

    reader = engine.execution_options(isolation_level="REPEATABLE READ")
    writer = engine.execution_options(isolation_level="READ COMMITTED", immediate=True)
    return Backend("postgresql", reader, writer, partial(_translation, url=shown))


def _milliseconds(time: timedelta) -> str:
    return str(max(1, round(time / timedelta(milliseconds=1))))  # 0 would mean: for ever


def _check_connection(connection: Any, shown: str) -> None:
    """Refuse what the address alone does not show: PGHOST or a service file may lead elsewhere."""
    address = connection.hostaddr.decode()  # empty for a Unix socket
    if address and not is_loopback(address) and not connection.ssl_in_use:
        raise InvalidSettingError(key="database.url", problem=Phrase(NEEDS_TLS))
    encoding = (connection.parameter_status(b"server_encoding") or b"").decode()
    if encoding != "UTF8":
        problem = Phrase(mark("the database's encoding is {encoding} and must be UTF8"), encoding=encoding)
        raise RegisterRefusedError(url=shown, problem=problem)


def _translation(error: DBAPIError, *, url: str) -> SealdockError | None:
    cause = error.orig
    if not isinstance(cause, psycopg.Error):
        return None
    state = cause.sqlstate or ""
    problem = cause.diag.message_primary or str(cause).partition("\n")[0]
    if not state:
        return _without_code(error, problem, url)
    if state == _NO_TABLE:
        return RegisterVersionError(url=url, found="none", expected=SCHEMA_VERSION)
    if state in _LOCKED:
        return RegisterLockedError(url=url)
    for codes, kind in (
        (_DAMAGED, RegisterCorruptError),
        (_AWAY, RegisterUnavailableError),
        (_REFUSED, RegisterRefusedError),
    ):
        if state.startswith(codes):
            return kind(url=url, problem=problem)
    return None


def _without_code(error: DBAPIError, problem: str, url: str) -> SealdockError | None:
    if _REFUSED_WORDS.search(problem):
        return RegisterRefusedError(url=url, problem=problem)
    if error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError):
        return RegisterUnavailableError(url=url, problem=problem)
    return None
