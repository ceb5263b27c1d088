"""Folders of a local vault, reached by descriptor from its root, one name at a time.

A path given as text is resolved anew by every call, and a symbolic link planted anywhere inside it would take
evidence elsewhere. Here every step is an ``openat`` with ``O_NOFOLLOW`` from the descriptor of the step
before.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

LOCKS = ".locks"
"""Folder of the lock records; it also marks the root as a vault, which an empty mount point is not."""

_READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that somebody left in the tree must not hang.
_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_MAX_REMEMBERED = 65_536


class NotAnObjectError(OSError):
    """Something is there, and is not a regular file: a link, a folder, a FIFO."""


@dataclass(slots=True)
class Folder:
    """An open folder of the tree; valid inside the ``with`` that opened it."""

    fd: int
    _tree: "Tree"
    _unsynced: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

    def lock(self) -> None:
        """Wait for the folder's exclusive lock; it is released when the folder is closed, also by a crash."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def has(self, name: str) -> bool:
        """Tell whether anything has this name here, be it a link that leads nowhere."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def open_file(self, name: str) -> int | None:
        """Open a regular file for reading; None if there is nothing of that name.

        Raises:
            NotAnObjectError: something else has the name.
            OSError: it cannot be opened.

        """
        try:
            fd = os.open(name, _READ_FILE, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError as problem:
            if problem.errno in {errno.ELOOP, errno.ENXIO}:  # a symbolic link, a socket
                raise NotAnObjectError(errno.ELOOP, "not a regular file", name) from problem
            raise
        if not S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise NotAnObjectError(errno.ELOOP, "not a regular file", name)
        return fd

    def sync(self) -> None:
        """Make the names in this folder durable, and the way to it from the root.

        A folder above is synced once per process. It is not enough to sync those that *this* call made:
        another process may have made one a moment ago and not come to its own fsync yet.
        """
        os.fsync(self.fd)
        while self._unsynced:
            path, parent = self._unsynced.pop()
            os.fsync(parent)
            self._tree.remember(path)


class Tree:
    """The tree of folders under a vault's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[tuple[str, ...]] = set()

    @contextmanager
    def folder(self, parts: tuple[str, ...], *, create: bool = False) -> Iterator[Folder]:
        """Open the folder ``parts`` below the root, making what is missing if ``create``.

        Raises:
            FileNotFoundError: it is not there.
            OSError: with ENODEV if the root is missing or no vault; ENOTDIR if a part is a file or a link.

        """
        with ExitStack() as stack:
            fd = self._open_root()
            stack.callback(os.close, fd)
            unsynced: list[tuple[tuple[str, ...], int]] = []
            for depth in range(1, len(parts) + 1):
                path, parent = parts[:depth], fd
                fd = self._step(parent, path, create=create)
                stack.callback(os.close, fd)
                if path not in self._durable:
                    unsynced.append((path, parent))
            yield Folder(fd, self, unsynced)

    def device(self) -> int:
        """Return the number of the file system the root is on (``st_dev``)."""
        fd = self._open_root()
        try:
            return os.fstat(fd).st_dev
        finally:
            os.close(fd)

    def remember(self, path: tuple[str, ...]) -> None:
        """Note that the entry ``path`` is on the medium."""
        if len(self._durable) >= _MAX_REMEMBERED:
            self._durable.clear()
        self._durable.add(path)

    def files(self, prefix: str) -> Iterator[str]:
        """Yield the paths below the root of regular files whose path starts with ``prefix``.

        In the order of the whole paths as text, like a listing of an S3 bucket; names that start with a dot
        are the vault's own. Links are never followed.
        """
        fd = self._open_root()
        try:
            yield from _files(fd, "", prefix)
        finally:
            os.close(fd)

    def _open_root(self) -> int:
        # The root itself may be reached through links: that is the administrator's choice, not the vault's
        # content.
        try:
            fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as problem:
            raise OSError(errno.ENODEV, "there is no such folder", str(self.root)) from problem
        try:
            marked = S_ISDIR(os.stat(LOCKS, dir_fd=fd, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            marked = False
        except OSError:
            os.close(fd)
            raise
        if not marked:
            os.close(fd)
            raise OSError(
                errno.ENODEV, f"not a vault (no {LOCKS} in it; is its disk mounted?)", str(self.root)
            )
        return fd

    def _step(self, parent: int, path: tuple[str, ...], *, create: bool) -> int:
        name = path[-1]
        try:
            return os.open(name, _READ_FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        self._durable.discard(path)
        with suppress(FileExistsError):  # another writer was quicker; which of us made it is no matter
            os.mkdir(name, 0o755, dir_fd=parent)
        return os.open(name, _READ_FOLDER, dir_fd=parent)


def _files(fd: int, path: str, prefix: str) -> Iterator[str]:
    with os.scandir(fd) as listing:
        entries = [
            (entry.name + "/", True) if entry.is_dir(follow_symlinks=False) else (entry.name, False)
            for entry in listing
            if not entry.name.startswith(".")
            and (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False))
        ]
    for name, is_folder in sorted(entries):
        full = path + name
        if not is_folder:
            if full.startswith(prefix):
                yield full
        elif full.startswith(prefix) or prefix.startswith(full):
            below = os.open(name, _READ_FOLDER, dir_fd=fd)
            try:
                yield from _files(below, full, prefix)
            finally:
                os.close(below)
