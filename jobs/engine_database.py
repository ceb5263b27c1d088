"""Where the engine keeps its records: an SQLite file in the home, or a schema of its own in PostgreSQL.

Several stations may name the same PostgreSQL database. Their engines must not see each other's work: a
docking belongs to the station whose spool and card it works on. So every home has a schema and an executor
id of its own, from a name that is made once and kept in the home.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import error as dbos_error
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from config.errors import EngineUnavailableError, InvalidSettingError
from config.masking import mask
from config.messages import Phrase, mark
from hashing import durable
from jobs.node import Node

FILE_NAME = "engine.id"
"""In a home whose engine keeps its records in PostgreSQL: by what name."""

_SQLITE_ID = "station"
_STATION_CHARACTERS = 40  # a schema's name has at most 63 bytes

# A host that is gone without a word is noticed after a minute; an address in the settings may say otherwise.
_CONNECT: dict[str, int | str] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "sealdock-engine",
}


@dataclass(frozen=True, slots=True)
class EngineDatabase:
    """A home's place in the engine's database. ``schema`` is None in an SQLite file."""

    url: str
    schema: str | None
    executor_id: str

    @classmethod
    def of(cls, node: Node) -> "EngineDatabase":
        """Return the place of a home. Raises InvalidSettingError for another kind of database."""
        try:
            url = make_url(node.settings.engine_url)
        except ArgumentError:
            raise _unsupported() from None
        if url.get_backend_name() == "sqlite":
            return cls(node.settings.engine_url, None, _SQLITE_ID)
        if url.drivername not in {"postgresql", "postgresql+psycopg"} or not url.database:
            raise _unsupported()
        plain = url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        name = _name(node.home, node.station_id)
        return cls(plain, f"sealdock_{name}".replace("-", "_"), name)

    @property
    def is_missing(self) -> bool:
        """Tell whether it is an SQLite file that nobody has made yet: opening it would make it."""
        database = make_url(self.url).database
        return self.schema is None and (not database or not Path(database).exists())

    def options(self) -> dict[str, Any]:
        """Return what both the engine and a client of it are told about the database."""
        told: dict[str, Any] = {
            "system_database_url": self.url,
            "system_database_engine": self._postgresql() if self.schema else self._sqlite(),
        }
        return told | ({"dbos_system_schema": self.schema} if self.schema else {})

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Translate what a database says that is away, or lets the engine not in."""
        try:
            yield
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            problem = str(getattr(error, "orig", None) or error).partition("\n")[0]
            shown = mask(make_url(self.url).render_as_string(hide_password=True))
            raise EngineUnavailableError(url=shown, problem=problem) from error

    def _postgresql(self) -> SqlEngine:
        given = make_url(self.url).query
        return create_engine(
            self.url,
            pool_size=10,
            max_overflow=20,
            pool_pre_ping=True,
            connect_args={name: value for name, value in _CONNECT.items() if name not in given},
        )

    def _sqlite(self) -> SqlEngine:
        """Return an engine in WAL mode. A step record lost by power failure only repeats a safe step."""
        engine = create_engine(self.url, pool_size=20, max_overflow=20, connect_args={"timeout": 30})

        @event.listens_for(engine, "connect")
        def configure(dbapi: Any, _entry: ConnectionPoolEntry) -> None:
            dbapi.isolation_level = "IMMEDIATE"
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
                dbapi.execute(f"PRAGMA {pragma}")

        return engine


def _unsupported() -> InvalidSettingError:
    problem = Phrase(mark("the engine keeps its records in SQLite or PostgreSQL"))
    return InvalidSettingError(key="engine.url", problem=problem)


def _name(home: Path, station: str) -> str:
    """Return the home's name in a shared database, made the first time; two homes never have the same."""
    path = home / FILE_NAME
    if not path.exists():
        made = f"{station[:_STATION_CHARACTERS].strip('-')}-{secrets.token_hex(4)}"
        with suppress(FileExistsError):  # another command was quicker
            durable.write_new(path, made.encode(), mode=0o600)
    return path.read_text("utf-8").strip()
