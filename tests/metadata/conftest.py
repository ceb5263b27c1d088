"""Fixtures for the register: its schema is made once a run and copied, as migrations are slow."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from metadata.register import Register
from tests.support.register import made, opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("register") / "template.db"
    with made(path):
        pass
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "register.db"


@pytest.fixture
def register(database: Path, template: Path) -> Iterator[Register]:
    """A register with a station, a recorder and a docking."""
    shutil.copyfile(template, database)
    with opened(database) as register:
        yield register


@pytest.fixture
def session(register: Register) -> Iterator[Session]:
    """A session that holds the write lock and is committed at the end."""
    with register.write() as session:
        yield session


@pytest.fixture(scope="module")
def shared_register(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Register]:
    """A register for examples of one module, each of which rolls back what it wrote."""
    path = tmp_path_factory.mktemp("shared") / "register.db"
    shutil.copyfile(template, path)
    with opened(path) as register:
        yield register
