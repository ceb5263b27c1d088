"""Kills a process at every call by which a vault changes the disk, and looks what is left.

Prints how many places there were for each way of writing. Runs by itself, because only a process with one
thread may fork safely; ``test_publisher`` starts it.
"""

import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from hashing.digest import Digest
from storage.local import LocalVault
from storage.vault import LockMode, StoredVersion

KEY = "clips/sha256/ab/clip"
DATA = b"footage" * 20_000
UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
LATER = UNTIL + timedelta(days=1)

Immutable = Literal["auto", "off", "required"]


class Way:
    """One way of changing a vault, and what must hold after it was cut off anywhere."""

    before: datetime | None = None
    after = UNTIL

    def __init__(self, base: Path, immutable: Immutable) -> None:
        self.base = base
        self.immutable = immutable
        self.source = base / "spool" / "clip"
        LocalVault.create(base / "vault")

    def vault(self) -> LocalVault:
        return LocalVault(self.base / "vault", immutable=self.immutable)

    def prepare(self) -> None:
        self.source.parent.mkdir()
        self.source.write_bytes(DATA)

    def act(self) -> StoredVersion:
        facts = self.source.stat() if self.source.exists() else None
        return self.vault().put_file(
            KEY,
            self.source,
            digest=Digest.sha256(DATA),
            size=len(DATA),
            lock_until=UNTIL,
            verified_inode=(facts.st_dev, facts.st_ino) if facts else None,
        )

    def check_cut_off(self) -> None:
        versions = self.vault().versions(KEY)
        if versions:
            check(versions[0].lock_mode is LockMode.ADVISORY, "an object has a lock")
            check(versions[0].lock_until in {self.before, self.after}, "with a date that was asked for")
            check((self.base / "vault" / KEY).read_bytes() == DATA, "and all its bytes")
        else:
            check(self.before is None, "nothing is lost")
            check(not self.source.parent.exists() or self.source.read_bytes() == DATA, "the source is there")
        check(list(self.vault().keys()) == [version.key for version in versions], "nothing else is listed")

    def check_done(self, stored: StoredVersion) -> None:
        path = self.base / "vault" / KEY
        head = self.vault().head(KEY, Digest.sha256(DATA).hex)
        check(head.lock_mode is LockMode.ADVISORY, "locked")
        check(head.lock_until == stored.lock_until == self.after, "until the date asked for")
        check(path.read_bytes() == DATA, "the bytes are there")
        check(path.stat().st_mode & 0o777 == 0o444, "read-only")
        check(list(self.vault().keys()) == [KEY], "once")
        check(not self.source.exists() or stored.adopted, "the source was taken over")


class Move(Way):
    """From the spool, on one file system."""


class Copy(Way):
    """A source with a second name is copied, as from another file system."""

    def prepare(self) -> None:
        super().prepare()
        os.link(self.source, self.source.with_name("second name"))

    def check_done(self, stored: StoredVersion) -> None:
        self.source.unlink()
        super().check_done(stored)


class Bytes(Way):
    """From memory."""

    def prepare(self) -> None:
        pass

    def act(self) -> StoredVersion:
        return self.vault().put_bytes(KEY, DATA, lock_until=UNTIL)


class Extend(Bytes):
    """A later lock date."""

    before = UNTIL
    after = LATER

    def prepare(self) -> None:
        self.vault().put_bytes(KEY, DATA, lock_until=UNTIL)

    def act(self) -> StoredVersion:
        return self.vault().extend_lock(KEY, Digest.sha256(DATA).hex, LATER)


class Adopt(Extend):
    """The same bytes again, with a later date."""

    def act(self) -> StoredVersion:
        return self.vault().put_bytes(KEY, DATA, lock_until=LATER)


def check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def killed_at(place: int, act: Callable[[], object]) -> bool:
    """Run ``act`` in a child that is killed before its ``place``-th call; False if there are not as many."""
    child = os.fork()
    if child == 0:
        count = 0

        def hook(_frame: FrameType, event: str, function: Any) -> None:
            nonlocal count
            if event == "c_call" and _changes_something(function):
                if count == place:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.setprofile(hook)
        act()
        sys.setprofile(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    check(os.WEXITSTATUS(status) == 0, f"the child failed: {status}")
    return False


# What a kill can leave differs only between calls that change something; a file that ``open`` made is seen at
# the call after it.
_CHANGES = {"mkdir", "rename", "fsync", "unlink", "fchmod", "flock", "ioctl", "write", "__exit__"}


def _changes_something(function: Any) -> bool:
    if function.__name__ not in _CHANGES:
        return False
    return function.__module__ in {"posix", "fcntl"} or isinstance(function.__self__, io.BufferedWriter)


def main() -> None:
    base = Path(sys.argv[1])
    immutable: Any = sys.argv[2]
    places = {}
    for kind in (Move, Copy, Bytes, Extend, Adopt):
        place, cut = 0, True
        while cut:
            way = kind(base / f"{kind.__name__}-{place}", immutable)
            way.prepare()
            cut = killed_at(place, way.act)
            try:
                if cut:
                    way.check_cut_off()
                    way.check_done(way.act())
            except Exception as problem:
                raise AssertionError(f"{kind.__name__}, killed at call {place}") from problem
            if immutable == "off":
                shutil.rmtree(way.base)
            place += 1
        places[kind.__name__] = place - 1
    json.dump(places, sys.stdout)


main()
