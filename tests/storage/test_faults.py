"""Disks that are full, read-only, or refuse a large file."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.errors import SealdockError, VaultFullError, VaultUnavailableError
from hashing.digest import Digest
from storage.local import LocalVault
from tests.support.lacking import lacking

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
LARGE = bytes(200_000)


@pytest.fixture
def vault(root: Path) -> LocalVault:
    return LocalVault.create(root)


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond ``size`` bytes: a real EFBIG from the kernel."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_does_not_fit(vault: LocalVault, other_disk: Path) -> None:
    source = other_disk / "clip"
    source.write_bytes(LARGE)

    def put_file() -> bool:
        return vault.put_file(
            "clip", source, digest=Digest.sha256(LARGE), size=len(LARGE), lock_until=UNTIL
        ).adopted

    def put_bytes() -> bool:
        return vault.put_bytes("bytes", LARGE, lock_until=UNTIL).adopted

    calls: list[Callable[[], bool]] = [put_file, put_bytes]
    for put in calls:
        problem: SealdockError | None = None
        with file_limit(65_536):
            try:
                put()
            except VaultFullError as found:
                problem = found
        assert problem is not None
        assert problem.facts["vault"] == vault.url
    assert list(vault.keys()) == []
    assert list((vault.root / ".tmp").iterdir()) == []
    assert source.read_bytes() == LARGE
    assert [put() for put in calls] == [False, False]


def test_a_full_and_a_read_only_disk(tmp_path: Path) -> None:
    disk, spool = tmp_path / "disk", tmp_path / "spool"
    disk.mkdir()
    spool.mkdir()
    own_mounts = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*own_mounts, "true"], capture_output=True, check=False).returncode != 0:
        lacking("this user may not have mounts of its own")
    worker = Path(__file__).with_name("full_disk_worker.py")
    done = subprocess.run(
        [*own_mounts, sys.executable, str(worker), str(disk), str(spool)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_that_may_not_be_written(vault: LocalVault, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    stored = vault.put_bytes("a/first", b"footage", lock_until=UNTIL)
    source = tmp_path / "clip"
    source.write_bytes(b"other")
    (vault.root / "a").chmod(0o555)
    with pytest.raises(VaultUnavailableError):
        vault.put_file("a/clip", source, digest=Digest.sha256(b"other"), size=5, lock_until=UNTIL)
    assert source.read_bytes() == b"other"
    assert vault.head("a/first", stored.version).lock_until == UNTIL
    (vault.root / "a").chmod(0o755)
    again = vault.put_file("a/clip", source, digest=Digest.sha256(b"other"), size=5, lock_until=UNTIL)
    assert not again.adopted
