"""One read of a file: its bytes go to the copy and through all digests at once.

The work runs in threads over a ring of buffers (hashlib, read and write release the interpreter's
lock), so that a large file takes as long as its slowest part, and memory stays bounded.
"""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hashing.chunks import CHUNK_SIZE, ChunkDigests
from hashing.digest import Algorithm, Digest
from hashing.direct import SMALL, Sink, SinkError
from hashing.readback import read_chunk, read_chunks
from hashing.ring import SLOT_SIZE, Consumer, Ring

if TYPE_CHECKING:
    import hashlib

__all__ = ["Reading", "SinkError", "read_chunk", "read_chunks", "read_through", "stream_chunks"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read of a file gave: size in bytes, digests in the order asked for, chunk digests."""

    size: int
    digests: tuple[Digest, ...]
    chunks: ChunkDigests

    @property
    def sha256(self) -> Digest:
        """The SHA-256 of the whole file: the identity of an object."""
        return next(digest for digest in self.digests if digest.algorithm is Algorithm.SHA256)


class Stream(Protocol):
    """Bytes that have no descriptor: a request's answer."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read what comes into ``buffer`` and return its length; 0 at the end."""


def read_through(
    source: int | Stream,
    *,
    algorithms: Sequence[Algorithm] = (Algorithm.SHA256,),
    sink_fd: int | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Reading:
    """Read a descriptor or stream from its position to the end, once; copy it to ``sink_fd`` and digest it.

    ``on_bytes`` is called in this thread with the number of bytes just read (not the sum so far);
    what it raises ends the reading and reaches the caller. ``algorithms`` must contain SHA-256.
    Flushing the copy, and comparing fstat before and after, stay with the caller.

    Raises OSError if the source cannot be read, :class:`SinkError` (an OSError) with the errno of the
    write if the copy cannot be written, ValueError without SHA-256. All threads have ended then.
    """
    if Algorithm.SHA256 not in algorithms:
        raise ValueError("SHA-256 is always computed")
    flat = {algorithm: _Flat(algorithm) for algorithm in algorithms}
    chunks = _Chunks(skip=CHUNK_SIZE)
    expected = _size(source) if isinstance(source, int) else None
    large = expected is None or expected > SMALL
    if large and isinstance(source, int):
        with suppress(OSError):  # a pipe has no read-ahead
            os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    sink = None if sink_fd is None else Sink(sink_fd, direct=large)
    consumers: list[Consumer] = [*flat.values(), chunks]
    if sink is not None:
        consumers.insert(0, sink)
    try:
        if expected is None or large:
            size = _read_threaded(source, consumers, on_bytes)
        else:
            size = _read_inline(source, consumers, on_bytes, expected=expected)
    finally:
        if sink is not None:
            sink.close()
    first = flat[Algorithm.SHA256].first_chunk() if size else b""
    return Reading(
        size=size,
        digests=tuple(Digest(algorithm, flat[algorithm].digest()) for algorithm in algorithms),
        chunks=ChunkDigests(CHUNK_SIZE, first + chunks.leaves()),
    )


def stream_chunks(source: Stream) -> tuple[int, ChunkDigests]:
    """Read a stream from its position to its end; return its size and the digests of its chunks alone."""
    chunks = _Chunks(skip=0)
    size = _read_threaded(source, [chunks], None)
    return size, ChunkDigests(CHUNK_SIZE, chunks.leaves())


def _size(fd: int) -> int | None:
    """Return the size of a regular file in bytes; None for a pipe or a device."""
    status = os.fstat(fd)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _read_threaded(
    source: int | Stream, consumers: Sequence[Consumer], on_bytes: Callable[[int], None] | None
) -> int:
    size = 0
    with Ring(consumers) as ring:
        while True:
            slot = ring.slot()
            length = _fill(source, slot.view)
            if length:
                ring.publish(slot, length)
                size += length
                if on_bytes is not None:
                    on_bytes(length)
            if length < SLOT_SIZE:
                return size


def _read_inline(
    source: int | Stream,
    consumers: Sequence[Consumer],
    on_bytes: Callable[[int], None] | None,
    *,
    expected: int,
) -> int:
    # One byte more than expected: a file that keeps its size is read in one round.
    view = memoryview(bytearray(expected + 1))
    size = 0
    while True:
        length = _fill(source, view)
        if length:
            for consumer in consumers:
                consumer.feed(view[:length])
            size += length
            if on_bytes is not None:
                on_bytes(length)
        if length < len(view):
            return size


def _fill(source: int | Stream, view: memoryview) -> int:
    """Read until ``view`` is full or the file ends: reads may be short. Interrupts are retried (PEP 475)."""
    filled = 0
    while filled < len(view):
        rest = view[filled:]
        length = os.readv(source, [rest]) if isinstance(source, int) else source.readinto(rest)
        if not length:
            break
        filled += length
    return filled


class _Flat:
    """The digest of a whole file, and on the way that of its first chunk, which is hashed only once."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._hasher: hashlib._Hash = algorithm.new()
        self._seen = 0
        self._first: bytes | None = None

    def feed(self, data: memoryview) -> None:
        rest = CHUNK_SIZE - self._seen
        if 0 < rest <= len(data):
            self._hasher.update(data[:rest])
            self._first = self._hasher.digest()
            data = data[rest:]
            self._seen += rest
        self._hasher.update(data)
        self._seen += len(data)

    def first_chunk(self) -> bytes:
        return self._hasher.digest() if self._first is None else self._first

    def digest(self) -> bytes:
        return self._hasher.digest()


class _Chunks:
    """SHA-256 of every chunk after the first ``skip`` bytes."""

    def __init__(self, *, skip: int) -> None:
        self._skip = skip
        self._hasher = Algorithm.SHA256.new()
        self._filled = 0
        self._leaves = bytearray()

    def feed(self, data: memoryview) -> None:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = data[skipped:]
        while data:
            part = data[: CHUNK_SIZE - self._filled]
            self._hasher.update(part)
            self._filled += len(part)
            data = data[len(part) :]
            if self._filled == CHUNK_SIZE:
                self._close()

    def leaves(self) -> bytes:
        if self._filled:
            self._close()
        return bytes(self._leaves)

    def _close(self) -> None:
        self._leaves += self._hasher.digest()
        self._hasher = Algorithm.SHA256.new()
        self._filled = 0
