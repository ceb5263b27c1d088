"""Fixtures for the register on each engine: its schema is made once a run and copied, as migrations are slow.

A module for one engine says so: ``only("sqlite")``, from tests.support.engines.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from metadata import roles
from metadata.register import Register
from tests.support.engines import ENGINES
from tests.support.postgres import Place, Server
from tests.support.register import made, opened, url_of
from tests.support.two_rows import Undone, fill


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("register") / "template.db"
    with made(path):
        pass
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Server) -> Iterator[str]:
    """The name of a database; the application's role has its rights there."""
    with postgres.database() as place:
        with made(place.owner) as owned, opened(place.url) as register:
            roles.grant(owned, roles.role_of(register))
        yield str(make_url(place.url).database)


@contextmanager
def filled(engine: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A register with a station, a recorder and a docking, on an engine."""
    if engine == "sqlite":
        path = folder / "register.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield Place(url_of(path), url_of(path))
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database(request.getfixturevalue("postgres_template")) as place:
        yield place


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A database without any table."""
    if engine == "sqlite":
        yield Place(url_of(tmp_path / "empty.db"), url_of(tmp_path / "empty.db"))
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as place:
        yield place


@pytest.fixture
def place(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where a register is that has a station, a recorder and a docking."""
    with filled(engine, tmp_path, request) as place:
        yield place


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The file of an SQLite register."""
    return tmp_path / "register.db"


@pytest.fixture
def register(place: Place) -> Iterator[Register]:
    """That register as the application uses it."""
    with opened(place.url) as register:
        yield register


@pytest.fixture
def owned(place: Place) -> Iterator[Register]:
    """That register as the owner of its tables uses it."""
    with opened(place.owner) as register:
        yield register


@pytest.fixture
def session(register: Register) -> Iterator[Session]:
    """A session that holds the write lock and is committed at the end."""
    with register.write() as session:
        yield session


@pytest.fixture(scope="module", params=ENGINES)
def module_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where a register is that the tests of one module share: each of them rolls back what it wrote."""
    with filled(request.param, tmp_path_factory.mktemp("shared"), request) as place:
        yield place


@pytest.fixture(scope="module")
def shared_register(module_place: Place) -> Iterator[Register]:
    with opened(module_place.owner) as register:
        yield register


@pytest.fixture(scope="module")
def two_rows(module_place: Place) -> Iterator[Register]:
    """A register that has two rows in each table, as the owner of its tables uses it."""
    with opened(module_place.owner) as register:
        with register.write() as session:
            for mark in ("1", "2"):
                fill(session, mark)
        yield register


@pytest.fixture
def full(two_rows: Register) -> Iterator[Session]:
    """A session whose changes are rolled back."""
    with pytest.raises(Undone), two_rows.write() as session:
        yield session
        raise Undone
