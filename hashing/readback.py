"""Reading a copy back from the medium: the digests of its chunks, compared with those of the source."""

import errno
import os
import threading
from collections.abc import Callable
from itertools import count

from hashing.chunks import CHUNK_SIZE, ChunkDigests
from hashing.digest import Algorithm
from hashing.direct import ALIGNMENT, SMALL, Medium, aligned_memory, round_up

WORKERS = 3
"""Threads that read: two keep two processors busy while one waits for the medium."""
PIECE = 2 * 1024 * 1024
"""Bytes each of them reads at a time."""


def read_chunks(fd: int, *, on_bytes: Callable[[int], None] | None = None) -> tuple[int, ChunkDigests]:
    """Read a whole file back, whatever the descriptor's position; return its size and chunk digests.

    The read goes past the page cache where the file system allows it; elsewhere the caller drops the
    cache first. ``on_bytes`` is called with the number of bytes of each piece just read, from several
    threads but never by two at once; what it raises ends the reading and reaches the caller. Raises
    OSError if the file cannot be read, with ESTALE if its size changes meanwhile.
    """
    size = os.fstat(fd).st_size
    with Medium(fd, direct=size > SMALL) as medium:
        leaves = _ReadBack(medium, size, on_bytes).run()
    if os.fstat(fd).st_size != size:
        raise OSError(errno.ESTALE, "the file changed while it was read back")
    return size, ChunkDigests(CHUNK_SIZE, leaves)


def read_chunk(fd: int, index: int) -> bytes:
    """Read chunk ``index`` (from 0) as :func:`read_chunks` would; return its 32-byte SHA-256.

    Raises IndexError if the file has no such chunk, OSError if it cannot be read.
    """
    size = os.fstat(fd).st_size
    if not 0 <= index < -(-size // CHUNK_SIZE):
        raise IndexError(f"chunk {index} of a file of {size} bytes")
    with Medium(fd, direct=size > SMALL) as medium:
        return _ReadBack(medium, size, None).chunk(index, _buffer(size))


class _ReadBack:
    """Threads that take the next chunk each until none is left, or one of them fails."""

    def __init__(self, medium: Medium, size: int, on_bytes: Callable[[int], None] | None) -> None:
        self._medium = medium
        self._size = size
        self._on_bytes = on_bytes
        self._leaves = [b""] * -(-size // CHUNK_SIZE)
        self._numbers = count()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def run(self) -> bytes:
        """Return the digests of all chunks; raise the first failure once every thread has ended."""
        helpers = [
            threading.Thread(target=self._work, name="sealdock-read-back", daemon=True)
            for _ in range(min(WORKERS, len(self._leaves)) - 1)
        ]
        started = []
        try:
            for thread in helpers:
                thread.start()
                started.append(thread)
            self._work()
        except BaseException as error:  # also an interrupt: the others stop at their next piece
            self._failure = self._failure or error
            raise
        finally:
            for thread in started:
                thread.join()
        if self._failure is not None:
            raise self._failure
        return b"".join(self._leaves)

    def chunk(self, index: int, buffer: memoryview) -> bytes:
        """Return the digest of one chunk."""
        hasher = Algorithm.SHA256.new()
        start = index * CHUNK_SIZE
        end = min(start + CHUNK_SIZE, self._size)
        for offset in range(start, end, len(buffer)):
            if self._failure is not None:
                break
            wanted = min(len(buffer), end - offset)
            # Whole blocks, as direct I/O wants them; a file that grew is noticed at the end.
            length = min(self._medium.read_into(buffer[: round_up(wanted)], offset), wanted)
            if length < wanted:
                raise OSError(errno.ESTALE, "the file became shorter while it was read back")
            hasher.update(buffer[:length])
            self._tell(length)
        return hasher.digest()

    def _work(self) -> None:
        try:
            buffer = _buffer(self._size)
            while self._failure is None and (index := next(self._numbers)) < len(self._leaves):
                self._leaves[index] = self.chunk(index, buffer)
        except BaseException as error:  # noqa: BLE001 - run() raises it in the caller
            self._failure = self._failure or error

    def _tell(self, length: int) -> None:
        if self._on_bytes is not None:
            with self._lock:
                self._on_bytes(length)


def _buffer(size: int) -> memoryview:
    return aligned_memory(PIECE) if size > SMALL else memoryview(bytearray(max(round_up(size), ALIGNMENT)))
