"""Direct I/O: large transfers past the page cache, where the file system knows O_DIRECT.

It spares the copy into the cache and its memory, starts the medium at once instead of at fsync, and a
read that went past the cache was answered by the medium. Where it is not to be had, everything works
the ordinary way.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
from contextlib import suppress
from typing import Self

ALIGNMENT = 4096
"""Bytes: positions and lengths of direct transfers are multiples of it (512 and 4096 are in use)."""

HUGE_PAGE = 2 * 1024 * 1024

SMALL = 1024 * 1024
"""Bytes: files up to this size go the ordinary way, without threads; the rest would cost more."""


def round_up(length: int) -> int:
    """Return the next multiple of ALIGNMENT that holds ``length`` bytes."""
    return -(-length // ALIGNMENT) * ALIGNMENT


def aligned_memory(size: int) -> memoryview:
    """Return ``size`` bytes of writable memory that begin at a multiple of 2 MiB.

    Huge pages where the system has them: the device then gets one address for 2 MiB instead of 512,
    which makes direct I/O two to three times as fast. Children made by fork do not get the memory: a
    fork in the middle of a direct read must not turn its pages copy-on-write.
    """
    area = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_DONTFORK)
    with suppress(OSError):  # a kernel without them
        area.madvise(mmap.MADV_HUGEPAGE)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(area)) % HUGE_PAGE
    return memoryview(area)[start : start + size]


class SinkError(OSError):
    """Writing the copy failed (ENOSPC, EIO, …); errors of the source stay plain OSError."""


class Sink:
    """Writes to a descriptor from its position on, directly while that is possible.

    Use :meth:`close` when done: it restores the descriptor's flags. Flushing stays with the caller.
    """

    def __init__(self, fd: int, *, direct: bool) -> None:
        self._fd = fd
        self._flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        self._direct = direct and self._enable()

    def feed(self, data: memoryview) -> None:
        """Write all of ``data``, which lies in an aligned buffer; raise SinkError if that fails."""
        try:
            if self._direct and len(data) % ALIGNMENT:
                whole = len(data) - len(data) % ALIGNMENT
                self._write(data[:whole])
                self.close()  # the odd end of the file goes the ordinary way
                data = data[whole:]
            self._write(data)
        except OSError as error:
            raise SinkError(error.errno, error.strerror) from error

    def close(self) -> None:
        """Give the descriptor its flags back."""
        if self._direct:
            self._direct = False
            fcntl.fcntl(self._fd, fcntl.F_SETFL, self._flags)

    def _enable(self) -> bool:
        # On a pipe O_DIRECT means something else (packets).
        if not stat.S_ISREG(os.fstat(self._fd).st_mode) or self._flags & (os.O_APPEND | os.O_DIRECT):
            return False
        if os.lseek(self._fd, 0, os.SEEK_CUR) % ALIGNMENT:
            return False
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETFL, self._flags | os.O_DIRECT)
        except OSError:  # EINVAL: this file system has no direct I/O
            return False
        return True

    def _write(self, data: memoryview) -> None:
        while data:
            try:
                written = os.write(self._fd, data)
            except OSError as error:
                # A stricter alignment than ours, or a short write left the position between blocks.
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self.close()
                continue
            data = data[written:]


class Medium:
    """Reads a file by position through a descriptor of its own, past the page cache if possible.

    The caller's descriptor keeps its position and flags. Threads may share an instance.
    """

    def __init__(self, fd: int, *, direct: bool) -> None:
        self._plain = fd
        self._direct: int | None = None
        if direct:
            with suppress(OSError):  # no /proc, no permission to open again, no direct I/O here
                self._direct = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._direct is not None:
            os.close(self._direct)
            self._direct = None

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill ``view`` from ``offset``; return the bytes read, fewer only at the end of the file."""
        filled = 0
        while filled < len(view):
            count = self._read(view[filled:], offset + filled)
            if count == 0:
                break
            filled += count
        return filled

    def _read(self, view: memoryview, offset: int) -> int:
        # The end of a file may lie between blocks: what follows it is asked for the ordinary way.
        if self._direct is not None and offset % ALIGNMENT == 0 and len(view) % ALIGNMENT == 0:
            try:
                return os.preadv(self._direct, [view], offset)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
        return os.preadv(self._plain, [view], offset)
