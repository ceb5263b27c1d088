"""The only code that ever writes to a card."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.errors import DigestMismatchError, SourceUnreadableError, SourceVanishedError, VolumeSwappedError
from hashing.digest import Digest
from ingest.clearing import clear
from ingest.source import FolderSource
from tests.support.card import fill, ordinary_user

DATA = os.urandom(3000)
DIGEST = Digest.sha256(DATA)


def run(source: FolderSource, path: bytes = b"DCIM/clip", expected: Digest = DIGEST) -> None:
    clear(source, path, expected, volume=source.volume.identity)


class Racing(FolderSource):
    """A card on which something happens after the file was read and before it is unlinked."""

    act: Callable[[], object]
    visits = 0

    @contextmanager
    def folder(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        self.visits += 1
        if self.visits == 2:  # the first opens the file, the second is there to unlink it
            time.sleep(0.02)
            self.act()
        with super().folder(path) as found:
            yield found


def test_equal_bytes_go_and_nothing_else(card: Path, source: FolderSource) -> None:
    fill(card, {b"DCIM/clip": DATA, b"DCIM/clip2": DATA, b"clip": DATA})
    run(source)
    assert sorted(path.name for path in card.rglob("*")) == ["DCIM", "clip", "clip2"]


@pytest.mark.parametrize("name", [b"\xff\n", b"-rf", "录像 1.mp4".encode(), b"x" * 255])
def test_names_are_exact(card: Path, source: FolderSource, name: bytes) -> None:
    fill(card, {name: DATA, b"other": DATA})
    run(source, name)
    assert [path.name for path in card.iterdir()] == ["other"]


def test_an_empty_file(card: Path, source: FolderSource) -> None:
    fill(card, {b"clip": b""})
    run(source, b"clip", Digest.sha256(b""))
    assert list(card.iterdir()) == []


@pytest.mark.parametrize("other", [DATA + b"x", DATA[:-1], b"", bytes([DATA[0] ^ 1]) + DATA[1:]])
def test_other_bytes_stay(card: Path, source: FolderSource, other: bytes) -> None:
    fill(card, {b"DCIM/clip": other})
    with pytest.raises(DigestMismatchError) as raised:
        run(source)
    assert raised.value.facts["expected"] == DIGEST.hex
    assert raised.value.facts["found"] == Digest.sha256(other).hex
    assert (card / "DCIM/clip").read_bytes() == other


def test_another_file_in_its_place_stays(card: Path) -> None:
    fill(card, {b"DCIM/clip": DATA, b"new": DATA})
    with Racing(card) as source:
        source.act = lambda: (card / "new").rename(card / "DCIM/clip")
        with pytest.raises(SourceUnreadableError):
            run(source)
    assert (card / "DCIM/clip").read_bytes() == DATA


def test_a_link_in_its_place_stays(tmp_path: Path, card: Path) -> None:
    fill(card, {b"DCIM/clip": DATA})
    (tmp_path / "outside").write_bytes(DATA)

    def swap() -> None:
        (card / "DCIM/clip").unlink()
        (card / "DCIM/clip").symlink_to(tmp_path / "outside")

    with Racing(card) as source:
        source.act = swap
        with pytest.raises(SourceUnreadableError):
            run(source)
    assert (card / "DCIM/clip").is_symlink()
    assert (tmp_path / "outside").read_bytes() == DATA
    with FolderSource(card) as source, pytest.raises(SourceUnreadableError):
        run(source)
    assert (tmp_path / "outside").read_bytes() == DATA


def test_what_was_written_behind_the_read_stays(card: Path) -> None:
    fill(card, {b"DCIM/clip": DATA})

    def write() -> None:
        with (card / "DCIM/clip").open("ab") as file:
            file.write(b"the recorder goes on")

    with Racing(card) as source:
        source.act = write
        with pytest.raises(SourceUnreadableError):
            run(source)
    assert (card / "DCIM/clip").read_bytes() == DATA + b"the recorder goes on"


def test_a_file_that_is_gone(card: Path, source: FolderSource) -> None:
    assert list(card.iterdir()) == []
    with pytest.raises(SourceUnreadableError):
        run(source)


@pytest.mark.parametrize("path", [b"..", b"../clip", b"DCIM", b""])
def test_what_no_listing_gives(tmp_path: Path, card: Path, source: FolderSource, path: bytes) -> None:
    fill(tmp_path, {b"clip": DATA})
    fill(card, {b"DCIM/clip": DATA})
    with pytest.raises(SourceUnreadableError):
        run(source, path)
    assert (tmp_path / "clip").exists()
    assert (card / "DCIM/clip").exists()


def test_another_card_is_not_touched(card: Path, source: FolderSource) -> None:
    card.rename(card.with_name("pulled"))
    with pytest.raises(SourceVanishedError):
        run(source)
    fill(card, {b"DCIM/clip": DATA})
    with pytest.raises(VolumeSwappedError):
        run(source)
    with pytest.raises(VolumeSwappedError):
        clear(source, b"DCIM/clip", DIGEST, volume="volume:other")
    assert (card / "DCIM/clip").read_bytes() == DATA


def test_a_card_that_may_not_be_written(reachable: Path) -> None:
    with ordinary_user():
        fill(reachable, {b"DCIM/clip": DATA})
        (reachable / "DCIM").chmod(0o555)
        with FolderSource(reachable) as source, pytest.raises(SourceUnreadableError) as raised:
            run(source)
    assert raised.value.facts["problem"] == "Permission denied"
    assert (reachable / "DCIM/clip").read_bytes() == DATA
