"""Fixtures for cards."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.source import FolderSource
from tests.support.card import descriptors, ordinary_user


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    return folder


@pytest.fixture
def source(card: Path) -> Iterator[FolderSource]:
    with FolderSource(card) as source:
        yield source


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder of an ordinary user, reachable for that user also when root runs the tests."""
    with ordinary_user():
        folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """No test of this room may leave a descriptor open, however it ended."""
    before = descriptors()
    yield
    assert descriptors() <= before
