"""Sources, sinks and the naive definition of chunk digests, for the tests of the reader."""

import hashlib
import os
from pathlib import Path

from hashing import ring
from hashing.chunks import CHUNK_SIZE
from hashing.digest import Algorithm
from hashing.direct import SMALL
from hashing.reader import Reading, read_through

SIZES = [
    0,
    1,
    4095,
    4096,
    SMALL - 1,
    SMALL,
    SMALL + 1,
    ring.SLOT_SIZE,
    CHUNK_SIZE - 1,
    CHUNK_SIZE,
    CHUNK_SIZE + 1,
    2 * CHUNK_SIZE,
    2 * CHUNK_SIZE + 4096,
    3 * CHUNK_SIZE + 12345,
]
LARGE = 3 * CHUNK_SIZE + 12345


class StopError(Exception):
    """Raised by the tests' own callbacks."""


def chunk_digests(data: bytes) -> bytes:
    """The definition, naively."""
    starts = range(0, len(data), CHUNK_SIZE)
    return b"".join(hashlib.sha256(data[start : start + CHUNK_SIZE]).digest() for start in starts)


def source(folder: Path, data: bytes) -> int:
    path = folder / "source"
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


def target(folder: Path, flags: int = 0) -> int:
    return os.open(folder / "copy", os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o600)


def copied(
    folder: Path, data: bytes, *, algorithms: tuple[Algorithm, ...] = (Algorithm.SHA256,)
) -> tuple[Reading, bytes]:
    fd, sink = source(folder, data), target(folder)
    try:
        reading = read_through(fd, algorithms=algorithms, sink_fd=sink)
        return reading, (folder / "copy").read_bytes()
    finally:
        os.close(fd)
        os.close(sink)
