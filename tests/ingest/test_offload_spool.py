"""The spool's side of a copy: other bytes, no room, no right to write; and what a copy leaves behind."""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.errors import (
    DigestMismatchError,
    SealdockError,
    SpoolFullError,
    SpoolUnavailableError,
)
from hashing.reader import read_through
from ingest.source import FolderSource
from tests.support.card import fill, ordinary_user
from tests.support.copying import (
    EITHER,
    LARGE,
    SMALL,
    AtTheEnd,
    Pauses,
    append,
    overwrite,
    take,
)
from tests.support.lacking import lacking


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "clip"


CORRUPTIONS: dict[str, Callable[[Path, int], object]] = {
    "a bit": lambda path, size: overwrite(path, size // 2, bytes([path.read_bytes()[size // 2] ^ 1])),
    "the last byte": lambda path, size: overwrite(path, size - 1, bytes([path.read_bytes()[-1] ^ 0x80])),
    "a lost tail": lambda path, size: os.truncate(path, size - 1),
    "a lost block": lambda path, size: overwrite(path, size - 5000, bytes(4096)),
    "nothing there": lambda path, _size: os.truncate(path, 0),
    "too much": lambda path, _size: append(path, b"\0"),
    "other bytes": lambda path, size: path.write_bytes(os.urandom(size)),
}


@EITHER
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_spool_that_gives_other_bytes_back(
    card: Path, source: FolderSource, spool: Path, corruption: str, data: bytes
) -> None:
    fill(card, {b"clip": data})
    pauses = Pauses()
    with pytest.raises(DigestMismatchError) as raised:
        take(
            source,
            spool,
            pauses.rules(),
            turn=AtTheEnd(lambda: CORRUPTIONS[corruption](spool, len(data))),
        )
    assert raised.value.facts["what"] == str(spool)
    assert not raised.value.retriable
    assert pauses == []  # an integrity failure is never tried again
    assert not spool.exists()
    assert (card / "clip").read_bytes() == data


def test_a_spool_file_that_is_taken_away(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    with pytest.raises(SpoolUnavailableError) as raised:
        take(source, spool, turn=AtTheEnd(spool.unlink))
    assert raised.value.retriable
    assert take(source, spool).reading.size == len(SMALL)


def test_space_that_must_stay_free(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    with pytest.raises(SpoolFullError) as raised:
        take(source, spool, Pauses().rules(min_free=1 << 60))
    assert raised.value.facts["needed"] == len(SMALL) + (1 << 60)
    assert raised.value.retriable
    assert not spool.exists()


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond ``size`` bytes: a real EFBIG from the kernel."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@EITHER
def test_a_spool_that_refuses_to_grow(card: Path, source: FolderSource, spool: Path, data: bytes) -> None:
    fill(card, {b"clip": data})
    problem: SealdockError | None = None
    with file_limit(65_536):
        try:
            take(source, spool)
        except SpoolUnavailableError as error:
            problem = error
    assert problem is not None
    assert problem.facts == {"path": str(spool.parent), "problem": "File too large"}
    assert not spool.exists()
    assert (card / "clip").read_bytes() == data
    assert take(source, spool).reading.size == len(data)


def test_a_spool_that_may_not_be_written(reachable: Path) -> None:
    with ordinary_user():
        card = fill(reachable / "card", {b"clip": SMALL})
        folder = reachable / "spool"
        folder.mkdir(mode=0o555)
        with FolderSource(card) as source:
            for spool in (folder / "clip", folder / "deeper" / "clip"):
                with pytest.raises(SpoolUnavailableError) as raised:
                    take(source, spool)
                assert raised.value.facts["problem"] == "Permission denied"
            folder.chmod(0o755)
            take(source, folder / "clip")


def test_a_spool_that_is_no_folder(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    spool.parent.write_bytes(b"")
    with pytest.raises(SpoolUnavailableError):
        take(source, spool)


def test_an_interruption_leaves_nothing(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": LARGE})

    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        take(source, spool, on_bytes=interrupt)
    assert not spool.exists()
    assert threading.active_count() == threads


def test_absurd_times_do_not_keep_a_file_out(tmp_path: Path, spool: Path) -> None:
    memory = Path("/dev/shm")  # a file system with 64 bits of seconds
    if not os.access(memory, os.W_OK):
        pytest.skip("no such file system that this user may write to")
    card = memory / f"card-{tmp_path.name}-{os.getpid()}"
    try:
        fill(card, {b"clip": SMALL})
        os.utime(card / "clip", (2**50, 2**50))
        with FolderSource(card) as source:
            (entry,) = source.walk(max_entries=9, max_depth=9).entries
            found = take(source, spool)
        assert entry.mtime_ns == found.mtime_ns == min((card / "clip").stat().st_mtime_ns, 2**63 - 1)
        assert found.reading.sha256.hex == hashlib.sha256(SMALL).hexdigest()
    finally:
        shutil.rmtree(card)


def test_the_copy_of_a_copy_is_the_same(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": LARGE})
    first = take(source, spool).reading
    with spool.open("rb") as file:
        assert read_through(file.fileno()) == first


@pytest.mark.parametrize("how", [pytest.param([], marks=pytest.mark.root), ["--map-root-user"]])
def test_mounted_cards_and_full_disks(tmp_path: Path, how: list[str]) -> None:
    own_mounts = ["unshare", "--mount", *how]
    if subprocess.run([*own_mounts, "true"], capture_output=True, check=False).returncode != 0:
        lacking("this user may not have mounts of its own")
    worker = Path(__file__).with_name("mounts_worker.py")
    done = subprocess.run(
        [*own_mounts, sys.executable, str(worker), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
