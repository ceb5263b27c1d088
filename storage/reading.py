"""Reading what a vault opened, each kind the quickest way: by its descriptor, or as a stream."""

import io
from io import BufferedReader

from hashing.chunks import CHUNK_SIZE, ChunkDigests
from hashing.digest import Digest
from hashing.reader import Reading, read_chunk, read_chunks, read_through, stream_chunks


def read_all(stored: BufferedReader, *, sink_fd: int | None = None) -> Reading:
    """Read it once from its start to its end, digest it, and copy it to ``sink_fd``; see ``read_through``."""
    fd = _descriptor(stored)
    source = stored if fd is None else fd
    return read_through(source, sink_fd=sink_fd)


def chunks_of(stored: BufferedReader) -> tuple[int, ChunkDigests]:
    """Return its size in bytes and its chunk digests."""
    fd = _descriptor(stored)
    if fd is not None:
        return read_chunks(fd)
    return stream_chunks(stored)


def chunk_of(stored: BufferedReader, index: int) -> bytes:
    """Return the 32-byte SHA-256 of one chunk, which alone is read."""
    fd = _descriptor(stored)
    if fd is not None:
        return read_chunk(fd, index)
    stored.seek(index * CHUNK_SIZE)
    return Digest.sha256(stored.read(CHUNK_SIZE)).value


def _descriptor(stored: BufferedReader) -> int | None:
    try:
        return stored.fileno()
    except io.UnsupportedOperation:  # its bytes come over a network
        return None
