"""Fills a disk of a megabyte, then finds it read-only; ``test_faults`` gives it mounts of its own."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from config.errors import VaultFullError, VaultUnavailableError
from hashing.digest import Digest
from storage.local import LocalVault
from storage.vault import StoredVersion

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
BIG = os.urandom(4 << 20)


def main() -> None:
    disk, spool = Path(sys.argv[1]), Path(sys.argv[2])
    mount(disk, "size=1m")
    vault = LocalVault.create(disk / "vault")
    small = vault.put_bytes("small", b"footage", lock_until=UNTIL)
    source = spool / "clip"
    source.write_bytes(BIG)

    check(refused(VaultFullError, lambda: put(vault, source)), "a file larger than the disk")
    check(source.read_bytes() == BIG, "the source is untouched")
    check(list(vault.keys()) == ["small"], "nothing was published")
    check(not list((disk / "vault" / ".tmp").iterdir()), "no half-written file stays")

    (disk / "filler").write_bytes(b"")
    with (disk / "filler").open("ab", buffering=0) as filler:
        check(refused(OSError, lambda: [filler.write(bytes(4096)) for _ in range(1000)]), "now it is full")
    check(
        refused(VaultFullError, lambda: vault.put_bytes("tiny", b"x", lock_until=UNTIL)),
        "not even room for a lock record",
    )
    check(
        refused(VaultFullError, lambda: vault.extend_lock("small", small.version, UNTIL.replace(year=2032))),
        "nor for a later one",
    )
    check(vault.head("small", small.version).lock_until == UNTIL, "the present one stays")
    check(vault.put_bytes("small", b"footage", lock_until=UNTIL).adopted, "adopting needs no room")

    mount(disk, "remount,size=16m")
    check(not put(vault, source).adopted, "with room, a repeat stores it")
    check((disk / "vault" / "clip").read_bytes() == BIG, "whole")

    mount(disk, "remount,ro")
    check(
        refused(VaultUnavailableError, lambda: vault.put_bytes("late", b"x", lock_until=UNTIL)), "read-only"
    )
    check(vault.head("small", small.version).size == len(b"footage"), "reading goes on")
    with vault.open("small", small.version) as file:
        check(file.read() == b"footage", "as before")


def put(vault: LocalVault, source: Path) -> StoredVersion:
    return vault.put_file("clip", source, digest=Digest.sha256(BIG), size=len(BIG), lock_until=UNTIL)


def mount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)


def refused(kind: type[Exception], call: object) -> bool:
    try:
        call()  # type: ignore[operator]
    except kind:
        return True
    return False


def check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


main()
