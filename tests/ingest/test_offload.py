"""Copies with proof, on real files: whatever goes wrong is done to the files, never to the hashing."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import (
    FileVanishedError,
    SourceChangedError,
    SourceUnreadableError,
    SourceVanishedError,
    VolumeSwappedError,
)
from hashing.digest import Algorithm
from ingest.offload import OffloadRules
from ingest.source import FolderSource
from tests.support.card import fill, ordinary_user
from tests.support.copying import (
    EITHER,
    LARGE,
    MIB,
    SMALL,
    TICK,
    AtTheEnd,
    Once,
    Pauses,
    append,
    overwrite,
    take,
)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "clip"


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
    with pytest.raises(FileVanishedError) as raised:
        take(source, spool, on_bytes=Once((card / "clip").unlink))
    assert raised.value.facts == {"path": "clip"}
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
    with pytest.raises(FileVanishedError):
        take(source, spool)
    assert not spool.exists()


def test_a_file_that_may_not_be_read(reachable: Path, spool: Path) -> None:
    fill(reachable, {b"clip": SMALL})
    (reachable / "clip").chmod(0)
    spool = reachable / "spool"
    with ordinary_user(), FolderSource(reachable) as source, pytest.raises(SourceUnreadableError) as raised:
        take(source, spool)
    assert raised.value.facts == {"path": "clip", "problem": "Permission denied"}
