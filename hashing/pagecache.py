"""The page cache: dropping a file from it, and looking whether that worked.

A read-back that is served from memory proves nothing about the medium.
"""

import ctypes
import mmap
import os
from functools import cache

TOLERATED_SHARE = 0.01
"""Share of a file's pages that may stay in memory while its read-back still counts as from the medium."""

_WINDOW = 1 << 30  # bytes mapped at a time: 256 KiB of answers from mincore
_MAP_FAILED = ctypes.c_void_p(-1).value


def drop_cache(fd: int) -> bool:
    """Drop an open, already flushed file from the page cache; True if at most 1 % of it stays.

    Pages that were not flushed with fsync cannot be dropped. False also where the system does not
    say (tmpfs keeps everything; mincore(2) hides foreign files). An empty file has nothing to drop.
    """
    size = os.fstat(fd).st_size
    if size == 0:
        return True
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        resident = resident_pages(fd)
    except OSError:
        return False
    return resident <= TOLERATED_SHARE * -(-size // mmap.PAGESIZE)


def resident_pages(fd: int) -> int:
    """Count the file's pages that are in memory (mincore(2)); OSError where the system refuses."""
    size = os.fstat(fd).st_size
    # A mapping needs a readable descriptor; the caller's may be write-only.
    readable = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return sum(
            _resident_in_window(readable, start, min(_WINDOW, size - start))
            for start in range(0, size, _WINDOW)
        )
    finally:
        os.close(readable)


def _resident_in_window(fd: int, start: int, length: int) -> int:
    libc = _libc()
    address = libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, start)
    if address == _MAP_FAILED:
        raise OSError(ctypes.get_errno(), "mmap")
    try:
        answers = ctypes.create_string_buffer(-(-length // mmap.PAGESIZE))
        if libc.mincore(address, length, answers) != 0:
            raise OSError(ctypes.get_errno(), "mincore")
        return len(answers.raw) - answers.raw.count(0)
    finally:
        libc.munmap(address, length)


@cache
def _libc() -> ctypes.CDLL:
    # Python's own mmap objects do not tell the address of a read-only mapping.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,  # off_t on 64-bit Linux
    ]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc
