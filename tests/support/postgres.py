"""A PostgreSQL for tests, and databases in it that live as long as one test.

The server that TEST_POSTGRES_URL and TEST_POSTGRES_OWNER_URL name is used, else a throw-away one is
made by deploy/dev/postgres.sh: as the user who runs the tests, so that a test may kill it.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
from psycopg.errors import InsufficientPrivilege, ObjectInUse
from sqlalchemy.engine import make_url

_SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "dev" / "postgres.sh"
_SERIAL = count(1)
_TRIES = 30


@dataclass(frozen=True)
class Place:
    """Where a register is: for the application's role, and for the role that owns the tables."""

    url: str
    owner: str


@dataclass(frozen=True)
class Server:
    """A running server: where the two roles find its database ``postgres``."""

    url: str
    owner_url: str

    def place(self, database: str) -> Place:
        return Place(_in(self.url, database), _in(self.owner_url, database))

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[Place]:
        """A database of the owner's, a copy of another that nobody uses just then."""
        name = f"test_{os.getpid()}_{next(_SERIAL)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.place(name)
        finally:
            drop(self.owner_url, name)

    def run(self, statement: str) -> None:
        with closing(connect(self.owner_url)) as owner:
            owner.execute(statement.encode())


@dataclass(frozen=True)
class Cluster:
    """A server of our own in a folder."""

    folder: Path

    @property
    def server(self) -> Server:
        urls = dict(line.split("=", 1) for line in (self.folder / "urls").read_text().splitlines())
        return server_of(urls)

    def start(self) -> None:
        self._do("start")

    def stop(self) -> None:
        self._do("stop")

    def crash(self) -> None:
        """Stop it as a power cut of the server's machine would, but for its disk."""
        self._do("crash")

    def _do(self, action: str) -> None:
        subprocess.run([_SCRIPT, action, self.folder], check=True, timeout=120)


def available() -> bool:
    """Tell whether a server's programs are installed."""
    return bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) or shutil.which("initdb") is not None


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A new cluster; its folder has a short name, since a socket's path may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="sealdock-pg."))
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        subprocess.run([_SCRIPT, "crash", folder], check=False, capture_output=True, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def server_of(urls: Mapping[str, str]) -> Server:
    return Server(urls["TEST_POSTGRES_URL"], urls["TEST_POSTGRES_OWNER_URL"])


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    """A plain connection in which every statement is a transaction."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _in(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def drop(owner_url: str, name: str) -> None:
    """Drop a database. The server's own housekeeping may be in it; no owner ends that, it ends soon."""
    for left in reversed(range(_TRIES)):
        try:
            with closing(connect(owner_url)) as owner:
                owner.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        except (InsufficientPrivilege, ObjectInUse):
            if not left:
                raise
            time.sleep(1)
        else:
            return
