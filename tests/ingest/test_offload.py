"""Copies with proof, on real files: whatever goes wrong is done to the files, never to the hashing."""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

from config.errors import (
    DigestMismatchError,
    SealdockError,
    SourceChangedError,
    SourceUnreadableError,
    SourceVanishedError,
    SpoolFullError,
    SpoolUnavailableError,
    VolumeSwappedError,
)
from hashing.digest import Algorithm
from hashing.reader import read_through
from ingest.offload import Offloaded, OffloadRules, offload
from ingest.source import FolderSource
from tests.support.card import fill, ordinary_user

MIB = 1 << 20
TICK = 0.02  # the kernel stamps changes of files no finer than a clock tick of up to 10 ms
SMALL, LARGE = os.urandom(100_000), os.urandom(9 * MIB + 4097)  # inline; threads, direct I/O, two chunks
EITHER = pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "clip"


class Pauses(list[float]):
    """Instead of sleeping: notes how long each pause would have been."""

    def rules(self, attempts: int = 3, min_free: int = 0) -> OffloadRules:
        return OffloadRules((Algorithm.SHA256,), attempts, min_free, pause=self.append)


def take(
    source: FolderSource,
    spool: Path,
    rules: OffloadRules | None = None,
    *,
    turn: "AtTheEnd | None" = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Offloaded:
    return offload(
        source,
        b"clip",
        spool,
        rules or Pauses().rules(),
        volume=source.volume.identity,
        turn=turn,
        on_bytes=on_bytes,
    )


class AtTheEnd:
    """Holds the turn; when the card has been read and before the copy is read back, it does something."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.held = False

    def __enter__(self) -> None:
        self.held = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held = False
        if error is None:
            self.act()


class Once:
    """Called with every piece that is read, it acts at the first."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.calls = 0

    def __call__(self, _count: int) -> None:
        self.calls += 1
        if self.calls == 1:
            time.sleep(TICK)
            self.act()


def append(path: Path, data: bytes = b"more") -> None:
    with path.open("ab") as file:
        file.write(data)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("size", [0, 1, 4096, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1])
def test_a_good_copy(card: Path, source: FolderSource, spool: Path, size: int) -> None:
    data = LARGE[:size]
    fill(card, {b"clip": data})
    seen: list[int] = []
    found = take(source, spool, on_bytes=seen.append)
    assert spool.read_bytes() == data == (card / "clip").read_bytes()
    assert (found.reading.size, sum(seen)) == (size, size)
    assert found.reading.sha256.hex == hashlib.sha256(data).hexdigest()
    assert found.reading.chunks.leaves == b"".join(
        hashlib.sha256(data[start : start + 8 * MIB]).digest() for start in range(0, size, 8 * MIB)
    )
    status = spool.stat()
    assert found.inode == (status.st_dev, status.st_ino)
    assert found.mtime_ns == (card / "clip").stat().st_mtime_ns
    assert status.st_mode & 0o777 == 0o600
    assert spool.parent.stat().st_mode & 0o777 == 0o700
    assert found.read_back in {"media", "cache"}


def test_every_digest_that_was_asked_for(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    rules = OffloadRules((Algorithm.SHA256, Algorithm.SHA512), 1, 0)
    assert [d.hex for d in take(source, spool, rules).reading.digests] == [
        hashlib.sha256(SMALL).hexdigest(),
        hashlib.sha512(SMALL).hexdigest(),
    ]


def test_the_turn_is_held_for_the_card_alone(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    events: list[str] = []
    turn = AtTheEnd(lambda: events.append("let go"))
    take(source, spool, turn=turn, on_bytes=lambda _: events.append("held" if turn.held else "not held"))
    assert events == ["held", "let go"]


@EITHER
def test_what_an_interrupted_try_left_is_replaced(
    tmp_path: Path, card: Path, source: FolderSource, spool: Path, data: bytes
) -> None:
    fill(card, {b"clip": data})
    spool.parent.mkdir()
    spool.write_bytes(b"x" * (len(data) + 99))
    other = tmp_path / "vault"
    os.link(spool, other)  # whatever else holds those bytes must keep them
    take(source, spool)
    assert spool.read_bytes() == data
    assert other.read_bytes() == b"x" * (len(data) + 99)


def test_a_link_in_the_spool_is_replaced_not_followed(
    tmp_path: Path, card: Path, source: FolderSource, spool: Path
) -> None:
    fill(card, {b"clip": SMALL})
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    spool.parent.mkdir()
    spool.symlink_to(target)
    take(source, spool)
    assert target.read_bytes() == b"precious"
    assert not spool.is_symlink()
    assert spool.read_bytes() == SMALL


@EITHER
def test_a_growing_file(card: Path, source: FolderSource, spool: Path, data: bytes) -> None:
    fill(card, {b"clip": data})
    pauses = Pauses()

    def grow(_count: int) -> None:
        time.sleep(TICK)
        append(card / "clip")

    with pytest.raises(SourceChangedError) as raised:
        take(source, spool, pauses.rules(attempts=4), on_bytes=grow)
    assert raised.value.facts == {"path": "clip"}
    assert pauses == [1.0, 2.0, 4.0]
    assert (card / "clip").read_bytes().startswith(data)
    assert not spool.exists()  # bytes without proof do not stay


def test_one_attempt_does_not_pause(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    pauses = Pauses()
    with pytest.raises(SourceChangedError):
        take(source, spool, pauses.rules(attempts=1), on_bytes=Once(lambda: append(card / "clip")))
    assert pauses == []


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": append,
    "shrunk": lambda path: os.truncate(path, 10),
    "emptied": lambda path: os.truncate(path, 0),
    "overwritten": lambda path: overwrite(path, 5, b"other"),
    "touched": lambda path: os.utime(path, ns=(0, 10**18)),
}


@EITHER
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_once(
    card: Path, source: FolderSource, spool: Path, change: str, data: bytes
) -> None:
    fill(card, {b"clip": data})
    pauses, once = Pauses(), Once(lambda: CHANGES[change](card / "clip"))
    found = take(source, spool, pauses.rules(), on_bytes=once)
    assert once.calls > 0
    assert pauses == [1.0]
    now = (card / "clip").read_bytes()
    assert spool.read_bytes() == now
    assert found.reading.sha256.hex == hashlib.sha256(now).hexdigest()


def test_a_change_that_hides_its_time(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    status = (card / "clip").stat()
    pauses = Pauses()

    def change() -> None:
        overwrite(card / "clip", 5, b"other")
        os.utime(card / "clip", ns=(status.st_atime_ns, status.st_mtime_ns))

    take(source, spool, pauses.rules(), on_bytes=Once(change))
    assert pauses == [1.0]
    assert spool.read_bytes() == (card / "clip").read_bytes() != SMALL


def test_a_file_that_becomes_another_while_it_is_read(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL, b"new": SMALL[::-1]})
    take(source, spool, on_bytes=Once(lambda: (card / "new").rename(card / "clip")))
    assert spool.read_bytes() == (card / "clip").read_bytes() == SMALL[::-1]


@EITHER
def test_a_card_that_vanishes_while_it_is_read(
    card: Path, source: FolderSource, spool: Path, data: bytes
) -> None:
    fill(card, {b"clip": data})
    with pytest.raises(SourceVanishedError) as raised:
        take(source, spool, on_bytes=Once(lambda: shutil.rmtree(card)))
    assert raised.value.facts == {"source": str(card)}
    assert not spool.exists()


def test_another_card_while_it_is_read(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})

    def swap() -> None:
        append(card / "clip")
        card.rename(card.with_name("pulled"))
        fill(card, {b"clip": b"the wrong footage"})

    with pytest.raises(VolumeSwappedError):
        take(source, spool, on_bytes=Once(swap))
    assert not spool.exists()


def test_another_card_before_it_is_read(card: Path, source: FolderSource, spool: Path) -> None:
    card.rename(card.with_name("pulled"))
    fill(card, {b"clip": b"the wrong footage"})
    with pytest.raises(VolumeSwappedError):
        take(source, spool)
    assert not spool.exists()


def test_a_file_that_is_unlinked_while_it_is_read(card: Path, source: FolderSource, spool: Path) -> None:
    fill(card, {b"clip": SMALL})
    with pytest.raises(SourceVanishedError) as raised:
        take(source, spool, on_bytes=Once((card / "clip").unlink))
    assert raised.value.facts == {"source": "clip"}
    assert not spool.exists()


@pytest.mark.parametrize("place", ["nothing", "link", "fifo", "folder"])
def test_what_is_no_file_any_more(
    tmp_path: Path, card: Path, source: FolderSource, spool: Path, place: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    clip = card / "clip"
    make: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "link": lambda: clip.symlink_to(secret),
        "fifo": lambda: os.mkfifo(clip),
        "folder": clip.mkdir,
    }
    make[place]()
    with pytest.raises(SourceVanishedError):
        take(source, spool)
    assert not spool.exists()


def test_a_file_that_may_not_be_read(reachable: Path, spool: Path) -> None:
    fill(reachable, {b"clip": SMALL})
    (reachable / "clip").chmod(0)
    spool = reachable / "spool"
    with ordinary_user(), FolderSource(reachable) as source, pytest.raises(SourceUnreadableError) as raised:
        take(source, spool)
    assert raised.value.facts == {"path": "clip", "problem": "Permission denied"}


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
        pytest.skip("this user may not have mounts of its own")
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
