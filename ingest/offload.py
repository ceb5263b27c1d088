"""Copy one clip off the card with proof: one read that hashes, then a read-back from the medium.

1. The volume must still be the one of the inventory.
2. fstat of the open source, before and after the read: a change means again.
3. One read feeds the spool file and every digest at once.
4. fsync, drop the page cache, read the spool back, compare chunk by chunk.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from config.errors import (
    DigestMismatchError,
    FileVanishedError,
    SourceChangedError,
    SourceUnreadableError,
    SourceVanishedError,
    SpoolFullError,
    SpoolUnavailableError,
)
from hashing import durable
from hashing.digest import Algorithm
from hashing.reader import Reading, SinkError, read_chunks, read_through
from ingest.names import readable
from ingest.source import FolderSource, changed, mtime_ns, vanished

_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT}
_SPOOL_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Proved:
    """The very file that was read back. The kernel stamps ``changed_ns`` anew when anybody writes to it."""

    inode: tuple[int, int]
    """Device and inode."""
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Proved":
        """Return what a file's status says of it."""
        return cls((status.st_dev, status.st_ino), status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Offloaded:
    """A verified copy in the spool. ``read_back`` is ``media``, or ``cache`` where the cache would not go."""

    reading: Reading
    mtime_ns: int
    read_back: str
    proved: Proved

    @property
    def inode(self) -> tuple[int, int]:
        """Return device and inode of the copy."""
        return self.proved.inode


@dataclass(frozen=True, slots=True)
class OffloadRules:
    """How to copy: digests, patience with growing files, and the spool space to leave free (bytes)."""

    algorithms: tuple[Algorithm, ...]
    attempts: int
    min_free_bytes: int
    pause: Callable[[float], None] = time.sleep


def offload(
    source: FolderSource,
    path: bytes,
    spool: Path,
    rules: OffloadRules,
    *,
    volume: str,
    turn: AbstractContextManager[object] | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Offloaded:
    """Copy ``path`` to the file ``spool`` and prove the copy.

    ``turn`` is held while the card is read, so that two clips of one card do not make it seek,
    and let go for the read-back. Raises SourceVanishedError or VolumeSwappedError (card gone or
    another), SourceChangedError (keeps changing), SourceUnreadableError, SpoolFullError,
    SpoolUnavailableError, and DigestMismatchError (the spool's medium gave other bytes back).
    No file stays at ``spool`` then: bytes without proof would only fill the disk.
    """
    try:
        return _offload(source, path, spool, rules, volume, turn, on_bytes)
    except BaseException:
        with suppress(OSError):
            spool.unlink()
        raise


def _offload(
    source: FolderSource,
    path: bytes,
    spool: Path,
    rules: OffloadRules,
    volume: str,
    turn: AbstractContextManager[object] | None,
    on_bytes: Callable[[int], None] | None,
) -> Offloaded:
    """Copy until the source holds still, then read the copy back."""
    for attempt in range(rules.attempts):
        if attempt:
            rules.pause(min(2.0**attempt, 10.0) / 2)
        with turn or nullcontext():
            source.check(volume)
            copied = _copy(source, path, spool, rules, on_bytes)
        if copied is not None:
            reading, modified = copied
            read_back, proved = _read_back(spool, reading)
            return Offloaded(reading=reading, mtime_ns=modified, read_back=read_back, proved=proved)
    raise SourceChangedError(path=readable(path))


def _copy(
    source: FolderSource,
    path: bytes,
    spool: Path,
    rules: OffloadRules,
    on_bytes: Callable[[int], None] | None,
) -> tuple[Reading, int] | None:
    """Copy once; None if the source changed meanwhile."""
    size = 0
    try:
        with source.open(path) as fd:
            before = os.fstat(fd)
            size = before.st_size
            _make_room(spool, size, rules.min_free_bytes)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            reading = _spooled(fd, spool, rules.algorithms, on_bytes)
            after = os.fstat(fd)
    except SinkError as error:
        if error.errno in _OUT_OF_SPACE:
            with suppress(OSError):
                spool.unlink()  # the half of a copy: what it held is free again
            raise SpoolFullError(path=str(spool.parent), needed=size, free=_free(spool)) from error
        raise _unavailable(spool, error) from error
    except OSError as error:
        if vanished(error) and not source.present():
            raise SourceVanishedError(source=str(source.root)) from error
        if error.errno == errno.ENOENT:
            raise FileVanishedError(path=readable(path)) from error
        problem = os.strerror(error.errno or 0)
        raise SourceUnreadableError(path=readable(path), problem=problem) from error
    if changed(before, after) or reading.size != after.st_size:
        return None
    return reading, mtime_ns(after)


def _spooled(
    fd: int, spool: Path, algorithms: tuple[Algorithm, ...], on_bytes: Callable[[int], None] | None
) -> Reading:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _spool_errors():
        sink = os.open(spool, flags, _SPOOL_MODE)
    try:
        reading = read_through(fd, algorithms=algorithms, sink_fd=sink, on_bytes=on_bytes)
        with _spool_errors():
            os.fsync(sink)
            durable.fsync_dir(spool.parent)
    finally:
        os.close(sink)
    return reading


@contextmanager
def _spool_errors() -> Iterator[None]:
    """Tell trouble with the spool from trouble with the card: both are OSError."""
    try:
        yield
    except OSError as error:
        raise SinkError(error.errno, error.strerror) from error


def _read_back(spool: Path, expected: Reading) -> tuple[str, Proved]:
    try:
        fd = os.open(spool, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            dropped = durable.drop_cache(fd)
            size, chunks = read_chunks(fd)
            status = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError as error:  # the spool's medium, not the card: the copy is made again
        raise _unavailable(spool, error) from error
    if size != expected.size or chunks.leaves != expected.chunks.leaves:
        raise DigestMismatchError(
            what=str(spool),
            algorithm="sha256",
            expected=expected.chunks.root.hex,
            found=chunks.root.hex,
        )
    return ("media" if dropped else "cache"), Proved.of(status)


def _unavailable(spool: Path, error: OSError) -> SpoolUnavailableError:
    return SpoolUnavailableError(path=str(spool.parent), problem=os.strerror(error.errno or 0))


def _free(spool: Path) -> int:
    space = os.statvfs(spool.parent)
    return space.f_bavail * space.f_frsize


def _make_room(spool: Path, size: int, min_free: int) -> None:
    """Take away what an interrupted try left, never writing into it; require the space for a new copy."""
    with _spool_errors():
        with suppress(FileNotFoundError):
            spool.unlink()
        spool.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = _free(spool)
    if free < size + min_free:
        raise SpoolFullError(path=str(spool.parent), needed=size + min_free, free=free)
