"""A folder on a card, read without ever following a link out of it or writing to it.

Every path is walked from the open root folder, one name at a time, with O_NOFOLLOW: a symbolic
link that appears between listing and opening is refused by the kernel, not by a check of ours.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.errors import (
    CardTooLargeError,
    SourceMissingError,
    SourceNotADirectoryError,
    SourceUnreadableError,
    SourceVanishedError,
    VolumeSwappedError,
)
from config.messages import mark
from ingest.volume import Volume, identify

_GONE = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENOTDIR}
_UNREADABLE = mark("unreadable")
_INT64 = 2**63 - 1
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a FIFO that took a file's place would hang for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file on the card. ``path`` is relative to the root, as the bytes that stand there."""

    path: bytes
    size: int
    mtime_ns: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something on the card that is no regular file, or cannot be listed: shown, not read."""

    path: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Listing:
    """All that was seen on a card, in order of path."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]


class FolderSource:
    """A folder, held open for the length of a docking. Use as a context manager."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise SourceMissingError(source=str(root)) from error
        except NotADirectoryError as error:
            raise SourceNotADirectoryError(source=str(root)) from error
        except OSError as error:
            raise SourceUnreadableError(path=str(root), problem=os.strerror(error.errno or 0)) from error
        try:
            self.volume: Volume = identify(self._fd, self.root)
        except OSError as error:
            os.close(self._fd)
            raise SourceVanishedError(source=str(root)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder, so that the card can be unmounted."""
        os.close(self._fd)

    def check(self, expected: str) -> None:
        """Raise unless the volume of ``expected`` identity still is what the path shows.

        SourceVanishedError: nothing is there, or only the folder on which the card was mounted.
        VolumeSwappedError: another card is.
        SourceUnreadableError: it cannot be told, because this user may not look any more.
        """
        try:
            fresh_fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if vanished(error):
                raise SourceVanishedError(source=str(self.root)) from error
            problem = os.strerror(error.errno or 0)
            raise SourceUnreadableError(path=str(self.root), problem=problem) from error
        try:
            found = identify(fresh_fd, self.root)
        except OSError as error:
            raise SourceVanishedError(source=str(self.root)) from error
        finally:
            os.close(fresh_fd)
        if (
            self.volume.mount_point and not found.mount_point
        ):  # what was mounted is gone: the bare mount point
            raise SourceVanishedError(source=str(self.root))
        same_folder = (found.device, found.inode) == (self.volume.device, self.volume.inode)
        if found.identity != expected or not same_folder:
            raise VolumeSwappedError(source=str(self.root), expected=expected, found=found.identity)

    def present(self) -> bool:
        """Tell whether the folder that was opened is still what its path shows.

        Raises SourceUnreadableError if this user may not look any more.
        """
        try:
            self.check(self.volume.identity)
        except (SourceVanishedError, VolumeSwappedError):
            return False
        return True

    def walk(self, *, max_entries: int, max_depth: int) -> Listing:
        """List every file below the root, by path.

        Links, FIFOs, sockets, devices and other mounted file systems are listed as skipped. A
        folder that cannot be read is skipped with the reason, too; a card that vanishes raises
        SourceVanishedError; more than ``max_entries`` names raise CardTooLargeError.
        """
        walker = _Walk(self, max_entries, max_depth)
        walker.run()
        return Listing(
            entries=tuple(sorted(walker.entries, key=lambda entry: entry.path)),
            skipped=tuple(sorted(walker.skipped, key=lambda item: item.path)),
        )

    @contextmanager
    def open(self, path: bytes) -> Iterator[int]:
        """Open a regular file for reading and give its descriptor.

        Raises FileNotFoundError if the path is gone or no longer a regular file, and another OSError
        if the system refuses.
        """
        with self.folder(path) as (parent, name):
            try:
                fd = os.open(name, _FILE, dir_fd=parent)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link, or a FIFO, took its place
                    raise FileNotFoundError(errno.ENOENT, "no longer a regular file") from error
                raise
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise FileNotFoundError(errno.ENOENT, "no longer a regular file")
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def folder(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """Open the folder that holds ``path``, link by link; give its descriptor and the last name."""
        *parents, name = path.split(b"/")
        if not name or name in {b".", b".."} or any(part in {b"", b".", b".."} for part in parents):
            raise FileNotFoundError(errno.ENOENT, "not a path of a listing")
        fd = os.dup(self._fd)
        try:
            for part in parents:
                deeper = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = deeper
            yield fd, name
        finally:
            os.close(fd)


class _Walk:
    """One walk over a card. Depth is bounded, so open descriptors are too."""

    def __init__(self, source: FolderSource, max_entries: int, max_depth: int) -> None:
        self.source = source
        self.max_entries = max_entries
        self.max_depth = max_depth
        self.entries: list[Entry] = []
        self.skipped: list[Skipped] = []
        self._seen = 0

    def run(self) -> None:
        pending: list[tuple[bytes, int]] = [(b"", 0)]
        while pending:
            prefix, depth = pending.pop()
            for path in self._list(prefix):
                if depth + 1 > self.max_depth:
                    self.skipped.append(Skipped(path.rstrip(b"/"), mark("folder too deep")))
                else:
                    pending.append((path, depth + 1))

    def _list(self, prefix: bytes) -> list[bytes]:
        """Take in one folder; return the folders below it."""
        folders: list[bytes] = []
        try:
            with self._opened(prefix) as fd, os.scandir(fd) as listing:
                for item in listing:
                    self._seen += 1
                    if self._seen > self.max_entries:
                        raise CardTooLargeError(source=str(self.source.root), limit=self.max_entries)
                    path = prefix + os.fsencode(item.name)
                    if self._take(fd, path):
                        folders.append(path)
        except OSError as error:
            if not self.source.present():
                raise SourceVanishedError(source=str(self.source.root)) from error
            self.skipped.append(
                Skipped(prefix.rstrip(b"/"), f"{_UNREADABLE}: {os.strerror(error.errno or 0)}")
            )
        return [path + b"/" for path in folders]

    @contextmanager
    def _opened(self, prefix: bytes) -> Iterator[int]:
        with self.source.folder(prefix + b".placeholder") as (fd, _):
            # scandir on a descriptor moves its offset: give it one of its own
            own = os.open(b".", _FOLDER, dir_fd=fd)
            try:
                yield own
            finally:
                os.close(own)

    def _take(self, folder_fd: int, path: bytes) -> bool:
        """Note one entry; True if it is a folder to go into."""
        name = path.rsplit(b"/", 1)[-1]
        try:
            found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        except OSError as error:
            self.skipped.append(Skipped(path, f"{_UNREADABLE}: {os.strerror(error.errno or 0)}"))
            return False
        if stat.S_ISDIR(found.st_mode):
            if found.st_dev != self.source.volume.device:
                self.skipped.append(Skipped(path, mark("another file system")))
                return False
            return True
        if stat.S_ISREG(found.st_mode):
            read_only = not found.st_mode & stat.S_IWUSR
            self.entries.append(Entry(path, found.st_size, mtime_ns(found), read_only))
        else:
            self.skipped.append(Skipped(path, _what(found.st_mode)))
        return False


def _what(mode: int) -> str:
    kinds = (
        (stat.S_ISLNK, mark("symbolic link")),
        (stat.S_ISFIFO, mark("FIFO")),
        (stat.S_ISSOCK, mark("socket")),
        (stat.S_ISBLK, mark("block device")),
        (stat.S_ISCHR, mark("character device")),
    )
    for test, name in kinds:
        if test(mode):
            return name
    return mark("unknown kind of file")


def mtime_ns(status: os.stat_result) -> int:
    """Return the modification time in nanoseconds, within the 64 bits that a register holds.

    Some file systems hold 64 bits of seconds: absurd times, which must not keep a file out.
    """
    return max(-_INT64, min(status.st_mtime_ns, _INT64))


def changed(before: os.stat_result, after: os.stat_result) -> bool:
    """Tell whether a file is another, or was written to, between two looks at it."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_ino,
    )


def vanished(error: OSError) -> bool:
    """Tell whether an error is of the kind that a card pulled out causes."""
    return error.errno in _GONE
