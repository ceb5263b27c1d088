"""Fixtures for vaults on a file system."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.immutable import set_immutable

pytest.register_assert_rewrite(
    "tests.storage.vault_contract", "tests.storage.hold_contract", "tests.storage.listing_contract"
)


def release(root: Path) -> None:
    """Clear every immutable attribute below ``root``, so that pytest can clean up after root's runs."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    set_immutable(fd, immutable=False)
                finally:
                    os.close(fd)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Where a vault may be made."""
    folder = tmp_path / "vault"
    yield folder
    folder.chmod(0o755) if folder.exists() else None
    release(folder)


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than ``tmp_path``: memory, which every Linux has."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system that this user may write to")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
        release(Path(folder))
