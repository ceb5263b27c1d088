"""Fixtures for the register."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from metadata.register import Register
from tests.support.register import made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "register.db"


@pytest.fixture
def register(database: Path) -> Iterator[Register]:
    with made(database) as register:
        yield register


@pytest.fixture
def session(register: Register) -> Iterator[Session]:
    """A session that holds the write lock and is committed at the end."""
    with register.write() as session:
        yield session
