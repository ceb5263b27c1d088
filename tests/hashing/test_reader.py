import errno
import fcntl
import io
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashing.chunks import CHUNK_SIZE
from hashing.digest import Algorithm, Digest
from hashing.direct import SMALL
from hashing.reader import read_chunk, read_chunks, read_through, stream_chunks
from tests.support.reading import LARGE, SIZES, StopError, chunk_digests, copied, source, target


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("sealdock")]
    assert left == []


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(LARGE)


@pytest.mark.parametrize("size", SIZES)
def test_one_read_copies_and_digests(tmp_path: Path, content: bytes, size: int) -> None:
    data = content[:size]
    reading, copy = copied(tmp_path, data)
    assert copy == data
    assert reading.size == size
    assert reading.digests == (Digest.sha256(data),)
    assert reading.sha256 == Digest.sha256(data)
    assert reading.chunks.leaves == chunk_digests(data)
    assert reading.chunks.size == CHUNK_SIZE
    fd = os.open(tmp_path / "copy", os.O_RDWR)
    try:
        assert read_chunks(fd) == (size, reading.chunks)
        assert [read_chunk(fd, index) for index in range(reading.chunks.count)] == [
            reading.chunks.leaf(index) for index in range(reading.chunks.count)
        ]
        for outside in (-1, reading.chunks.count):
            with pytest.raises(IndexError):
                read_chunk(fd, outside)
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", SIZES)
def test_the_chunks_of_a_stream(content: bytes, size: int) -> None:
    found, chunks = stream_chunks(io.BytesIO(content[:size]))
    assert (found, chunks.size, chunks.leaves) == (size, CHUNK_SIZE, chunk_digests(content[:size]))


@pytest.mark.parametrize("size", [0, 100, LARGE])
def test_all_algorithms_in_the_order_asked_for(tmp_path: Path, content: bytes, size: int) -> None:
    wanted = (Algorithm.SM3, Algorithm.SHA256, Algorithm.SHA512)
    reading, _ = copied(tmp_path, content[:size], algorithms=wanted)
    assert reading.digests == tuple(Digest.of(algorithm, content[:size]) for algorithm in wanted)
    assert reading.sha256 == Digest.sha256(content[:size])


def test_sha256_cannot_be_left_out(tmp_path: Path) -> None:
    fd = source(tmp_path, b"data")
    try:
        with pytest.raises(ValueError, match="SHA-256"):
            read_through(fd, algorithms=(Algorithm.SM3,))
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [10, LARGE])
def test_without_a_copy(tmp_path: Path, content: bytes, size: int) -> None:
    fd = source(tmp_path, content[:size])
    try:
        assert read_through(fd).sha256 == Digest.sha256(content[:size])
        assert os.lseek(fd, 0, os.SEEK_CUR) == size
    finally:
        os.close(fd)


def test_reading_goes_on_from_the_position(tmp_path: Path, content: bytes) -> None:
    fd = source(tmp_path, content)
    try:
        os.lseek(fd, 1000, os.SEEK_SET)
        assert read_through(fd).sha256 == Digest.sha256(content[1000:])
        assert read_chunks(fd)[0] == LARGE, "the read-back is of the whole file"
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, 70_000, LARGE])
def test_short_reads(content: bytes, size: int) -> None:
    receiver, sender = os.pipe()  # a pipe gives what it has, at most 64 KiB

    def send() -> None:
        rest = memoryview(content)[:size]
        while rest:
            rest = rest[os.write(sender, rest[:10_007]) :]
        os.close(sender)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        reading = read_through(receiver)
    finally:
        thread.join()
        os.close(receiver)
    assert reading.size == size
    assert reading.sha256 == Digest.sha256(content[:size])
    assert reading.chunks.leaves == chunk_digests(content[:size])


@pytest.mark.parametrize("header", [10, 4096])
def test_the_copy_begins_at_the_sinks_position(tmp_path: Path, content: bytes, header: int) -> None:
    fd, sink = source(tmp_path, content), target(tmp_path)
    try:
        os.write(sink, b"h" * header)
        read_through(fd, sink_fd=sink)
        assert os.lseek(sink, 0, os.SEEK_CUR) == header + LARGE
        assert (tmp_path / "copy").read_bytes() == b"h" * header + content
    finally:
        os.close(fd)
        os.close(sink)


@pytest.mark.parametrize("flags", [0, os.O_APPEND])
def test_the_sinks_flags_come_back(tmp_path: Path, content: bytes, flags: int) -> None:
    fd, sink = source(tmp_path, content), target(tmp_path, flags)
    try:
        before = fcntl.fcntl(sink, fcntl.F_GETFL)
        read_through(fd, sink_fd=sink)
        assert fcntl.fcntl(sink, fcntl.F_GETFL) == before
        assert (tmp_path / "copy").read_bytes() == content
    finally:
        os.close(fd)
        os.close(sink)


def test_a_copy_in_memory(tmp_path: Path, content: bytes) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no file system in memory")
    copy = Path("/dev/shm") / f"sealdock-copy-{os.getpid()}"
    fd, sink = source(tmp_path, content), os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        reading = read_through(fd, sink_fd=sink)
        assert copy.read_bytes() == content
        assert read_chunks(sink) == (LARGE, reading.chunks)
    finally:
        os.close(fd)
        os.close(sink)
        copy.unlink()


@pytest.mark.parametrize("refused", ["always", "later"])
def test_where_direct_writes_are_refused(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Some file systems take O_DIRECT and refuse the writes: EINVAL, at once or in the middle."""
    plain = os.write
    calls = itertools.count()

    def write(fd: int, data: memoryview) -> int:
        direct = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT
        if direct and (refused == "always" or next(calls) == 3):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return plain(fd, data)

    monkeypatch.setattr(os, "write", write)
    reading, copy = copied(tmp_path, content)
    assert copy == content
    assert reading.sha256 == Digest.sha256(content)


def test_short_writes(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: plain(fd, data[: max(1, len(data) // 3)]))
    reading, copy = copied(tmp_path, content)
    assert copy == content
    assert reading.sha256 == Digest.sha256(content)


def test_where_direct_reads_are_refused(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.preadv

    def preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return plain(fd, [buffers[0][:100_000]], offset)  # and the others are short

    monkeypatch.setattr(os, "preadv", preadv)
    fd = source(tmp_path, content)
    try:
        assert read_chunks(fd)[1].leaves == chunk_digests(content)
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [0, 10, LARGE])
def test_progress_is_told_in_this_thread(tmp_path: Path, content: bytes, size: int) -> None:
    told: list[int] = []
    threads = set()

    def on_bytes(count: int) -> None:
        told.append(count)
        threads.add(threading.current_thread())

    fd = source(tmp_path, content[:size])
    try:
        read_through(fd, on_bytes=on_bytes)
        assert sum(told) == size
        assert 0 not in told
        assert threads <= {threading.current_thread()}
        told.clear()
        read_chunks(fd, on_bytes=on_bytes)
        assert sum(told) == size
    finally:
        os.close(fd)


@pytest.mark.parametrize("size", [10, SMALL + 1, LARGE])
@pytest.mark.parametrize("read", [read_through, read_chunks])
def test_progress_may_stop_the_reading(tmp_path: Path, content: bytes, size: int, read: object) -> None:
    def on_bytes(_: int) -> None:
        raise StopError

    fd = source(tmp_path, content[:size])
    try:
        with pytest.raises(StopError):
            read(fd, on_bytes=on_bytes)  # type: ignore[operator]
    finally:
        os.close(fd)
