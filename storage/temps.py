"""Unfinished files of a local vault: in one folder, recognisable, and swept when provably abandoned."""

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from stat import S_ISREG

from hashing.durable import TEMP_PREFIX
from storage.tree import Folder, Tree

TEMPS = ".tmp"
"""Folder of unfinished files under the vault's root: on its file system, and never part of a listing."""

ABANDONED_AFTER = timedelta(days=1)

_NAME = re.compile(re.escape(TEMP_PREFIX) + r"[0-9]+-[0-9a-f]{16}")
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Temp:
    """A new file, open for reading and writing, that is not part of the vault yet."""

    fd: int
    name: str
    folder: int

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        with open(self.fd, "wb", closefd=False) as file:
            file.write(data)

    def move(self, target: Folder, name: str) -> None:
        """Rename it to its place. Replaces what is there: the caller holds the lock and has looked."""
        os.rename(self.name, name, src_dir_fd=self.folder, dst_dir_fd=target.fd)


class Temps:
    """The folder of unfinished files."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._swept = False

    @contextmanager
    def new(self) -> Iterator[Temp]:
        """Make a file of mode 0444 that is removed at the end unless it was moved.

        Its lock is held as long as the file is open, which is how a sweep knows that somebody still writes
        it.
        """
        with self._tree.folder((TEMPS,), create=True) as folder:
            if not self._swept:
                self._swept = True
                _sweep(folder)
            name = f"{TEMP_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
            fd = os.open(name, _CREATE, 0o600, dir_fd=folder.fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.fchmod(fd, 0o444)  # whatever the umask; it also lets no second writer in
                yield Temp(fd, name, folder.fd)
            finally:
                with suppress(OSError):  # moved, or the disk has gone; a sweep will see to the rest
                    os.unlink(name, dir_fd=folder.fd)
                os.close(fd)

    def abandoned(self) -> Iterator[tuple[str, float]]:
        """Yield our files that nobody works on, each with when it last changed (seconds since 1970)."""
        try:
            with self._tree.folder((TEMPS,)) as folder:
                for name in _names(folder):
                    since = None
                    with suppress(OSError), _unlocked(folder, name) as facts:
                        since = None if facts is None else max(facts.st_mtime, facts.st_ctime)
                    if since is not None:
                        yield name, since
        except FileNotFoundError:
            return

    def remove(self, name: str) -> bool:
        """Remove one of our files if nobody works on it; tell whether it is gone."""
        if not _NAME.fullmatch(name):
            return False
        with self._tree.folder((TEMPS,)) as folder:
            with suppress(OSError):
                _sweep_one(folder, name, float("inf"))
            return not folder.has(name)


def _names(folder: Folder) -> list[str]:
    with os.scandir(folder.fd) as listing:
        return sorted(entry.name for entry in listing if _NAME.fullmatch(entry.name))


def _sweep(folder: Folder) -> None:
    # Ours beyond doubt, or it stays: our name, our user, a plain file with no other name, a day old, and
    # nobody holds its lock. A clock that jumped makes everything look old; the lock still protects what is in
    # use.
    oldest = time.time() - ABANDONED_AFTER.total_seconds()
    for name in _names(folder):
        with suppress(OSError):  # another sweep was quicker, or it is not ours to open
            _sweep_one(folder, name, oldest)


def _sweep_one(folder: Folder, name: str, oldest: float) -> None:
    with _unlocked(folder, name) as facts:
        if facts is not None and max(facts.st_mtime, facts.st_ctime) < oldest:
            os.unlink(name, dir_fd=folder.fd)


@contextmanager
def _unlocked(folder: Folder, name: str) -> Iterator[os.stat_result | None]:
    """Hold the lock of a file that is ours beyond doubt; None if it is not. BlockingIOError: in use."""
    fd = folder.open_file(name)
    if fd is None:
        yield None
        return
    try:
        facts = os.fstat(fd)
        if not S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_nlink != 1:
            yield None
            return
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield facts
    finally:
        os.close(fd)
