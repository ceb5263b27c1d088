import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from config.errors import (
    CardTooLargeError,
    SourceMissingError,
    SourceNotADirectoryError,
    SourceUnreadableError,
    SourceVanishedError,
    VolumeSwappedError,
)
from ingest.names import last_part, readable
from ingest.source import FolderSource, Listing, Skipped, _Walk
from tests.support.card import descriptors, fill, ordinary_user

HOSTILE = [
    b"with space",
    b" ",
    b"new\nline",
    b"\r",
    "现场录像.mp4".encode(),
    "e\u0301".encode(),
    "é".encode(),
    b"\xff\xfe\x00".rstrip(b"\x00"),
    b"half \xe7\x8e",
    b"\xed\xa0\x80",  # a surrogate in UTF-8's clothes
    b"-rf",
    b"--help",
    b"~",
    b"$(reboot)",
    b"'; DROP TABLE clip; --",
    b"..hidden",
    b"...",
    b".. ",
    b"..mp4",
    b".placeholder",
    b"a\\..\\b",
    b"%2e%2e",
    b"\x1b[31mred",
    b"\x7f",
    b"CON",
    b"x" * 255,
    "录".encode() * 85,
]


def walk(source: FolderSource, *, max_entries: int = 10_000, max_depth: int = 64) -> Listing:
    return source.walk(max_entries=max_entries, max_depth=max_depth)


def paths(listing: Listing) -> list[bytes]:
    return [entry.path for entry in listing.entries]


def read(source: FolderSource, path: bytes) -> bytes:
    with source.open(path) as fd:
        return os.read(fd, 1 << 20)


def test_an_empty_card(source: FolderSource) -> None:
    assert walk(source) == Listing(entries=(), skipped=())


def test_names_are_exact_and_open(card: Path, source: FolderSource) -> None:
    files = {name: b"1 %d" % n for n, name in enumerate(HOSTILE)}
    files |= {b"sub/" + name: b"2 %d" % n for n, name in enumerate(HOSTILE)}
    fill(card, files)
    listing = walk(source)
    assert paths(listing) == sorted(files)
    assert listing.skipped == ()
    for path, data in files.items():
        assert read(source, path) == data
        readable(path).encode()  # stores and prints anywhere
        assert last_part(path) in HOSTILE


def test_the_facts_of_a_file(card: Path, source: FolderSource) -> None:
    fill(card, {b"a": b"", b"b/a": b"12345"})
    os.utime(card / "a", ns=(0, -1_000_000_001))
    os.utime(card / "b/a", ns=(0, 1_800_000_000_123_456_789))
    (card / "a").chmod(0o444)
    first, second = walk(source).entries
    assert (first.path, first.size, first.read_only) == (b"a", 0, True)
    assert first.mtime_ns == (card / "a").stat().st_mtime_ns
    assert (second.path, second.size, second.read_only) == (b"b/a", 5, False)
    assert second.mtime_ns == (card / "b/a").stat().st_mtime_ns


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b".",
        b"..",
        b"../secret",
        b"a/../../secret",
        b"/etc/passwd",
        b"a//b",
        b"a/",
        b"./a",
        b"a/./b",
        b"a/..",
    ],
)
def test_paths_that_no_listing_gives(tmp_path: Path, card: Path, source: FolderSource, path: bytes) -> None:
    fill(card, {b"a/b": b""})
    fill(tmp_path, {b"secret": b"secret"})
    with pytest.raises(FileNotFoundError), source.open(path):
        pass


def test_links_are_shown_and_never_followed(tmp_path: Path, card: Path, source: FolderSource) -> None:
    outside = fill(tmp_path / "outside", {b"secret": b"secret"})
    fill(card, {b"real/clip": b"clip"})
    (card / "to-file").symlink_to(outside / "secret")
    (card / "to-folder").symlink_to(outside)
    (card / "up").symlink_to("..")
    (card / "around").symlink_to(".")
    (card / "within").symlink_to("real/clip")
    (card / "nowhere").symlink_to("gone")
    listing = walk(source)
    assert paths(listing) == [b"real/clip"]
    assert {item.what for item in listing.skipped} == {"symbolic link"}
    assert [item.path for item in listing.skipped] == [
        b"around", b"nowhere", b"to-file", b"to-folder", b"up", b"within",
    ]  # fmt: skip
    for path in (b"to-file", b"to-folder/secret", b"up/outside/secret", b"around/real/clip", b"within"):
        with pytest.raises(OSError, match=r"."), source.open(path):
            pass


def test_a_link_that_takes_a_files_place(tmp_path: Path, card: Path, source: FolderSource) -> None:
    outside = fill(tmp_path / "outside", {b"clip": b"secret"})
    fill(card, {b"DCIM/clip": b"clip"})
    assert paths(walk(source)) == [b"DCIM/clip"]
    (card / "DCIM/clip").unlink()
    (card / "DCIM/clip").symlink_to(outside / "clip")
    with pytest.raises(FileNotFoundError), source.open(b"DCIM/clip"):
        pass


def test_a_link_that_takes_a_folders_place(tmp_path: Path, card: Path, source: FolderSource) -> None:
    outside = fill(tmp_path / "outside", {b"clip": b"secret"})
    fill(card, {b"DCIM/clip": b"clip"})
    walker = _Walk(source, 100, 64)
    assert walker._list(b"") == [b"DCIM/"]
    (card / "DCIM").rename(card / "old")
    (card / "DCIM").symlink_to(outside)
    assert walker._list(b"DCIM/") == []
    assert walker.entries == []
    assert [item.path for item in walker.skipped] == [b"DCIM"]
    with pytest.raises(OSError, match=r"."), source.open(b"DCIM/clip"):
        pass


def test_what_is_no_file_is_shown_and_never_opened(
    card: Path, source: FolderSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(card, {b"clip": b"clip"})
    os.mkfifo(card / "fifo")
    monkeypatch.chdir(card)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        listing = walk(source)
        assert paths(listing) == [b"clip"]
        assert listing.skipped == (Skipped(b"fifo", "FIFO"), Skipped(b"socket", "socket"))
        for path in (b"fifo", b"socket"):
            with pytest.raises(FileNotFoundError), source.open(path):
                pass  # it would hang here on a FIFO without a writer


@pytest.mark.root
def test_devices_are_shown_and_never_read(card: Path, source: FolderSource) -> None:
    try:
        os.mknod(card / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        os.mknod(card / "loop", stat.S_IFBLK | 0o666, os.makedev(7, 0))
    except PermissionError:
        pytest.skip("only root makes device files")
    listing = walk(source)
    assert listing.entries == ()
    assert listing.skipped == (Skipped(b"loop", "block device"), Skipped(b"zero", "character device"))
    with pytest.raises(OSError, match=r"."), source.open(b"zero"):
        pass


def test_a_folder_takes_a_files_place(card: Path, source: FolderSource) -> None:
    fill(card, {b"clip/inner": b""})
    with pytest.raises(FileNotFoundError), source.open(b"clip"):
        pass
    with pytest.raises(NotADirectoryError), source.open(b"clip/inner/deeper"):
        pass


def test_an_unreadable_folder_hides_nothing_else(reachable: Path) -> None:
    with ordinary_user():
        fill(reachable, {b"closed/clip": b"", b"open/clip": b"", b"unsearchable/clip": b"", b"z": b"z"})
        (reachable / "closed").chmod(0)
        (reachable / "unsearchable").chmod(0o400)
        (reachable / "z").chmod(0)
        with FolderSource(reachable) as source:
            listing = walk(source)
            with pytest.raises(PermissionError), source.open(b"z"):
                pass
    assert paths(listing) == [b"open/clip", b"z"]
    assert listing.skipped == (
        Skipped(b"closed", "unreadable: Permission denied"),
        Skipped(b"unsearchable", "unreadable: Permission denied"),
    )


def test_an_unreadable_root(reachable: Path) -> None:
    with ordinary_user():
        reachable.chmod(0)
        with pytest.raises(SourceUnreadableError) as raised:
            FolderSource(reachable)
    assert raised.value.facts["problem"] == "Permission denied"


def test_folders_that_are_too_deep_are_shown(card: Path, source: FolderSource) -> None:
    fill(card, {b"1/2/3/clip": b"", b"1/2/clip": b"", b"clip": b""})
    assert paths(walk(source, max_depth=3)) == [b"1/2/3/clip", b"1/2/clip", b"clip"]
    listing = walk(source, max_depth=2)
    assert paths(listing) == [b"1/2/clip", b"clip"]
    assert listing.skipped == (Skipped(b"1/2/3", "folder too deep"),)
    assert paths(walk(source, max_depth=0)) == [b"clip"]


def test_a_path_beyond_what_one_call_takes(card: Path, source: FolderSource) -> None:
    deep = os.open(card, os.O_RDONLY)
    for _ in range(30):  # 30 x 255 bytes: more than PATH_MAX
        os.mkdir(b"d" * 255, dir_fd=deep)
        deeper = os.open(b"d" * 255, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(os.open(b"clip", os.O_WRONLY | os.O_CREAT, dir_fd=deep))
    os.close(deep)
    found = paths(walk(source))
    assert found == [b"/".join([b"d" * 255] * 30 + [b"clip"])]
    assert read(source, found[0]) == b""


def test_too_many_names(card: Path, source: FolderSource) -> None:
    fill(card, {b"a/%d" % n: b"" for n in range(5)})  # six names with the folder
    assert len(walk(source, max_entries=6).entries) == 5
    with pytest.raises(CardTooLargeError) as raised:
        walk(source, max_entries=5)
    assert raised.value.facts == {"source": str(card), "limit": 5}


def test_sources_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    for name, kind in (
        ("gone", SourceMissingError),
        ("file", SourceNotADirectoryError),
        ("file/deeper", SourceNotADirectoryError),
        ("fifo", SourceNotADirectoryError),
        ("loop", SourceUnreadableError),
        ("x" * 256, SourceUnreadableError),
    ):
        with pytest.raises(kind):
            FolderSource(tmp_path / name)


def test_the_root_may_be_reached_through_a_link(tmp_path: Path, card: Path) -> None:
    fill(card, {b"clip": b"clip"})
    (tmp_path / "mnt").symlink_to(card)
    with FolderSource(tmp_path / "mnt") as source:
        assert paths(walk(source)) == [b"clip"]
        source.check(source.volume.identity)
        (tmp_path / "mnt").unlink()
        (tmp_path / "mnt").symlink_to(tmp_path)
        with pytest.raises(VolumeSwappedError):
            source.check(source.volume.identity)


def test_the_volume_stays_itself(card: Path, source: FolderSource) -> None:
    status = card.stat()
    assert source.volume.identity == f"folder:{status.st_dev}:{status.st_ino}"
    assert not source.volume.mount_point
    fill(card, {b"more": b""})
    source.check(source.volume.identity)
    assert source.present()
    assert source.volume.to_json()["inode"] == str(status.st_ino)


def test_another_folder_at_the_same_path(card: Path, source: FolderSource) -> None:
    expected = source.volume.identity
    card.rename(card.with_name("old"))
    fill(card, {b"clip": b"another card"})
    with pytest.raises(VolumeSwappedError) as raised:
        source.check(expected)
    assert raised.value.facts["expected"] == expected
    assert raised.value.facts["found"] != expected
    assert not source.present()


def test_the_inventory_was_of_another_volume(source: FolderSource) -> None:
    with pytest.raises(VolumeSwappedError) as raised:
        source.check("volume:1234-5678")
    assert raised.value.facts["expected"] == "volume:1234-5678"
    assert source.present()


def test_the_folder_is_gone(card: Path, source: FolderSource) -> None:
    fill(card, {b"a/clip": b""})
    walker = _Walk(source, 100, 64)
    assert walker._list(b"") == [b"a/"]
    card.rename(card.with_name("pulled"))
    (card.with_name("pulled") / "a").rename(card.with_name("a"))
    for use in (
        lambda: source.check(source.volume.identity),
        lambda: walker._list(b"a/"),
    ):
        with pytest.raises(SourceVanishedError):
            use()
    assert not source.present()


def test_the_place_of_the_folder_is_a_file(card: Path, source: FolderSource) -> None:
    card.rename(card.with_name("pulled"))
    card.write_bytes(b"")
    with pytest.raises(SourceVanishedError):
        source.check(source.volume.identity)


def test_no_descriptor_is_left_open(tmp_path: Path, card: Path) -> None:
    fill(card, {b"a/b/clip": b"clip", b"clip": b""})
    (card / "link").symlink_to("clip")
    os.mkfifo(card / "fifo")
    before = descriptors()
    for _ in range(3):
        with FolderSource(card) as source:
            walk(source)
            walk(source, max_depth=0)
            with pytest.raises(CardTooLargeError):
                walk(source, max_entries=2)
            for path in (
                b"a/b/clip",
                b"a/b/gone",
                b"a/gone/clip",
                b"link",
                b"link/x",
                b"fifo",
                b"a",
                b"clip/x",
            ):
                with suppress(OSError):
                    read(source, path)
            with pytest.raises(ZeroDivisionError), source.open(b"clip"):
                raise ZeroDivisionError
            with pytest.raises(VolumeSwappedError):
                source.check("another")
            assert source.present()
        for gone in ("gone", "card/clip"):
            with pytest.raises((SourceMissingError, SourceNotADirectoryError)):
                FolderSource(tmp_path / gone)
    assert descriptors() == before
