"""Files that are there completely or not at all, also after a power cut.

The order is always: exclusive create, write, fsync, rename, fsync of the folder. Nothing here ever
replaces a file unless the function is called ``replace``.
"""

import ctypes
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from hashing.pagecache import drop_cache

__all__ = ["TEMP_PREFIX", "drop_cache", "fsync_dir", "make_dirs", "publish", "replace", "write_new"]

TEMP_PREFIX = ".tmp-"
"""Names that start so are unfinished writes: a crash may leave one, a sweep may remove it."""

_RENAME_NOREPLACE = 1  # renameat2(2)
_AT_FDCWD = -100


def fsync_dir(path: Path) -> None:
    """Flush the folder's entries to the medium: a rename or a new file survives a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_dirs(path: Path, *, mode: int = 0o755) -> None:
    """Create ``path`` and its missing parents with ``mode``, each entry flushed in its parent.

    Raises NotADirectoryError or FileExistsError when something else has one of the names.
    """
    if path.is_dir():
        return
    if path.parent != path:
        make_dirs(path.parent, mode=mode)
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        if not path.is_dir():
            raise
    # Also when another process was quicker: its fsync may not have happened yet.
    fsync_dir(path.parent)


def write_new(path: Path, data: bytes, mode: int = 0o444) -> None:
    """Write ``data`` to a new file; FileExistsError if the name is taken, which changes nothing."""
    with _written(path, data, mode) as temp, _locked(path.parent):
        _rename_new(temp, path)
    fsync_dir(path.parent)


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write ``data`` to ``path``, over the file that has the name, if any: old or new, never a mix."""
    with _written(path, data, mode) as temp:
        temp.replace(path)
    fsync_dir(path.parent)


def publish(temp: Path, final: Path) -> None:
    """Move a finished file to its final name, on one file system, never over another file.

    The caller has flushed the file's bytes. Returns once both folders are on the medium. Raises
    FileExistsError if ``final`` is taken (``temp`` stays), OSError with EXDEV across file systems,
    FileNotFoundError if ``temp`` is gone: after a crash that may mean that it was published already.
    """
    with _locked(final.parent):
        _rename_new(temp, final)
    fsync_dir(final.parent)
    if temp.parent != final.parent:
        fsync_dir(temp.parent)


@contextmanager
def _written(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Give a flushed temporary file beside ``path``; it is removed if the caller does not move it."""
    temp = path.parent / f"{TEMP_PREFIX}{secrets.token_hex(8)}"
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        yield temp
    except BaseException:
        with suppress(OSError):
            temp.unlink()
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's advisory lock: it orders our own processes where the kernel's rename cannot."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)  # releases the lock


def _rename_new(source: Path, target: Path) -> None:
    """Rename, refusing to replace; the caller holds the lock of the target's folder."""
    renameat2 = _renameat2()
    if renameat2 is not None:
        ctypes.set_errno(0)
        done = renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
        if done == 0:
            return
        problem = ctypes.get_errno()
        # Network and FUSE file systems do not know the flag: there the lock alone has to do.
        if problem not in {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}:
            raise OSError(problem, os.strerror(problem), str(source), None, str(target))
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(source), None, str(target))
    source.rename(target)


@cache
def _renameat2() -> "ctypes._NamedFuncPointer | None":
    """Find the C library's renameat2 (glibc 2.28, musl 1.2.5); None if it has none."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]
