"""Docks cards that are mounts of its own, onto a disk of a megabyte; ``test_offload`` starts it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from config.errors import SourceVanishedError, SpoolFullError, SpoolUnavailableError, VolumeSwappedError
from hashing.digest import Algorithm
from ingest.offload import Offloaded, OffloadRules, offload
from ingest.source import FolderSource, Skipped

RULES = OffloadRules((Algorithm.SHA256,), attempts=2, min_free_bytes=0, pause=lambda _: None)
FREE = 64 << 10


def main() -> None:
    home = Path(sys.argv[1])
    card, disk = home / "mnt", home / "disk"
    for folder in (card, disk):
        folder.mkdir()
    mount(card, "size=8m")
    (card / "small").write_bytes(os.urandom(1000))
    (card / "large").write_bytes(os.urandom(4 << 20))
    (card / "inner").mkdir()
    mount(card / "inner", "size=1m")
    (card / "inner" / "elsewhere").write_bytes(b"of another file system")
    mount(disk, "size=1m")
    with FolderSource(card) as source:
        check(source.volume.mount_point, "the card is a mount point")
        check(source.volume.filesystem == "tmpfs", "of a kind")
        listing = source.walk(max_entries=100, max_depth=8)
        check([entry.path for entry in listing.entries] == [b"large", b"small"], "its own files are listed")
        check(listing.skipped == (Skipped(b"inner", "another file system"),), "and those of no other")
        spool(source, disk)
        subprocess.run(["umount", str(card / "inner")], check=True)
        swap(source, card, disk)


def spool(source: FolderSource, disk: Path) -> None:
    check(refused(SpoolFullError, lambda: take(source, b"large", disk)), "no room for a large clip")
    check(not (disk / "clip").exists(), "nothing stays")
    check(take(source, b"small", disk).reading.size == 1000, "a small one fits")
    # Space that goes while the copy is made: what was asked before it began is not true any more.
    mount(disk, "remount,size=6m")
    filler = disk / "filler"
    check(
        refused(SpoolFullError, lambda: take(source, b"large", disk, lambda _: fill_up(filler))),
        "a disk that another fills",
    )
    check(not (disk / "clip").exists(), "no half of a copy stays")
    fill_up(filler)
    check(refused(SpoolFullError, lambda: take(source, b"small", disk)), "a full disk")
    filler.unlink()
    mount(disk, "remount,size=1m")
    # What a killed process left of this very clip must not count as used space.
    (disk / "clip").write_bytes(bytes((1 << 20) - FREE))
    (source.root / "medium").write_bytes(bytes(2 * FREE))
    check(take(source, b"medium", disk).reading.size == 2 * FREE, "a rest of the same clip makes way")
    mount(disk, "remount,ro")
    check(refused(SpoolUnavailableError, lambda: take(source, b"small", disk)), "a read-only disk")
    mount(disk, "remount,rw")
    check(take(source, b"small", disk).reading.size == 1000, "with room, a repeat copies it")


def swap(source: FolderSource, card: Path, disk: Path) -> None:
    mount(card, "size=1m")  # another card at the same mount point, over the first
    (card / "small").write_bytes(b"the wrong footage")
    check(refused(VolumeSwappedError, lambda: take(source, b"small", disk)), "another card")
    subprocess.run(["umount", str(card)], check=True)
    check(source.present(), "the first card is back")
    check(take(source, b"small", disk).reading.size == 1000, "and goes on")
    subprocess.run(["umount", "--lazy", str(card)], check=True)
    check(not source.present(), "the card is pulled, its mount point stays")
    check(refused(SourceVanishedError, lambda: take(source, b"small", disk)), "and is not the card")


def take(
    source: FolderSource, path: bytes, disk: Path, on_bytes: Callable[[int], None] | None = None
) -> Offloaded:
    return offload(source, path, disk / "clip", RULES, volume=source.volume.identity, on_bytes=on_bytes)


def fill_up(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def refused(kind: type[Exception], call: Callable[[], object]) -> bool:
    try:
        call()
    except kind:
        return True
    return False


def check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


main()
