import errno
import fcntl
import hashlib
import itertools
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashing import reader, ring
from hashing.chunks import CHUNK_SIZE
from hashing.digest import Algorithm, Digest
from hashing.direct import SMALL
from hashing.reader import Reading, SinkError, read_chunk, read_chunks, read_through

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


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("sealdock")]
    assert left == []


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(LARGE)


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


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_full_sink(tmp_path: Path, content: bytes, size: int) -> None:
    fd, sink = source(tmp_path, content[:size]), os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            read_through(fd, sink_fd=sink)
        assert isinstance(caught.value, SinkError)
        assert caught.value.errno == errno.ENOSPC
    finally:
        os.close(fd)
        os.close(sink)


def test_a_sink_that_fills_up_on_the_way(tmp_path: Path, content: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    fd, sink = source(tmp_path, content), target(tmp_path)
    flags = fcntl.fcntl(sink, fcntl.F_GETFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_SIZE + 4096, hard))
    try:
        with pytest.raises(SinkError) as caught:
            read_through(fd, sink_fd=sink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        restored = fcntl.fcntl(sink, fcntl.F_GETFL)
        os.close(fd)
        os.close(sink)
    assert caught.value.errno == errno.EFBIG
    assert restored == flags


@pytest.mark.parametrize("read", [read_through, read_chunks])
def test_a_source_that_cannot_be_read(tmp_path: Path, read: object) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)  # a folder: EISDIR
    try:
        with pytest.raises(OSError, match="directory") as caught:
            read(fd)  # type: ignore[operator]
        assert not isinstance(caught.value, SinkError)
    finally:
        os.close(fd)


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("size", [10, LARGE])
def test_a_source_that_fails_on_the_way(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, size: int, after: int
) -> None:
    plain = os.readv
    calls = itertools.count(1)

    def readv(fd: int, buffers: list[memoryview]) -> int:
        if next(calls) >= after:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return plain(fd, [buffers[0][: max(1, len(buffers[0]) // 3)]])

    monkeypatch.setattr(os, "readv", readv)
    with pytest.raises(OSError, match="Input/output") as caught:
        copied(tmp_path, content[:size])
    assert not isinstance(caught.value, SinkError)


@pytest.mark.parametrize("size", [10, LARGE])
@pytest.mark.parametrize("victim", ["_Flat", "_LaterChunks"])
def test_a_digest_that_fails(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, size: int, victim: str
) -> None:
    def feed(_: object, __: memoryview) -> None:
        raise MemoryError

    monkeypatch.setattr(getattr(reader, victim), "feed", feed)
    with pytest.raises(MemoryError):
        copied(tmp_path, content[:size])


def test_no_more_threads(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = threading.Thread.start
    calls = itertools.count()

    def start(thread: threading.Thread) -> None:
        if next(calls) == 1:
            raise RuntimeError("can't start new thread")
        plain(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="new thread"):
        copied(tmp_path, content)
    fd = os.open(tmp_path / "source", os.O_RDONLY)
    calls = itertools.count()
    try:
        with pytest.raises(RuntimeError, match="new thread"):
            read_chunks(fd)
    finally:
        os.close(fd)


def test_interrupts_are_no_errors(tmp_path: Path, content: bytes) -> None:
    """EINTR from a storm of signals, with a slow pipe as the source."""
    receiver, sender = os.pipe()

    def send() -> None:
        rest = memoryview(content)[: 2 * SMALL]
        while rest:
            rest = rest[os.write(sender, rest[:50_000]) :]
            threading.Event().wait(0.001)
        os.close(sender)

    seen = itertools.count()
    before = signal.signal(signal.SIGALRM, lambda *_: next(seen))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    thread = threading.Thread(target=send)
    sink = target(tmp_path)
    try:
        thread.start()
        reading = read_through(receiver, sink_fd=sink)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        thread.join()
        os.close(receiver)
        os.close(sink)
    assert next(seen) > 5
    assert reading.sha256 == Digest.sha256(content[: 2 * SMALL])
    assert (tmp_path / "copy").read_bytes() == content[: 2 * SMALL]


def test_an_interrupt_by_the_user_ends_the_reading(tmp_path: Path, content: bytes) -> None:
    def on_bytes(_: int) -> None:
        signal.raise_signal(signal.SIGINT)

    fd = source(tmp_path, content)
    try:
        with pytest.raises(KeyboardInterrupt):
            read_through(fd, on_bytes=on_bytes)
    finally:
        os.close(fd)


def test_a_changed_byte_is_placed(tmp_path: Path, content: bytes) -> None:
    fd = source(tmp_path, content)
    try:
        before = read_chunks(fd)[1]
        other = os.open(tmp_path / "source", os.O_WRONLY)
        os.pwrite(other, bytes([content[CHUNK_SIZE + 5] ^ 1]), CHUNK_SIZE + 5)
        os.close(other)
        after = read_chunks(fd)[1]
        assert after.differing(before) == (1,)
        assert read_chunk(fd, 1) == after.leaf(1) != before.leaf(1)
    finally:
        os.close(fd)


@pytest.mark.parametrize("change", [-CHUNK_SIZE * 2, 10])
def test_a_file_that_changes_its_size_meanwhile(tmp_path: Path, content: bytes, change: int) -> None:
    path = tmp_path / "source"

    def on_bytes(_: int) -> None:
        os.truncate(path, LARGE + change)

    fd = source(tmp_path, content)
    try:
        with pytest.raises(OSError, match=r"changed|shorter") as caught:
            read_chunks(fd, on_bytes=on_bytes)
        assert caught.value.errno == errno.ESTALE
    finally:
        os.close(fd)


def test_a_source_that_grows_is_read_to_its_end(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "source"
    grown: list[int] = []

    def on_bytes(_: int) -> None:
        if not grown:
            with path.open("ab") as file:
                grown.append(file.write(content))

    fd = source(tmp_path, content[: SMALL // 2])
    try:
        reading = read_through(fd, on_bytes=on_bytes)
    finally:
        os.close(fd)
    # The end was seen before the growth: fstat before and after is what tells the caller.
    assert reading.sha256 == Digest.sha256(content[: SMALL // 2])
    assert path.stat().st_size > reading.size


def test_several_files_at_once(tmp_path: Path, content: bytes) -> None:
    found: dict[int, Digest] = {}

    def read(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        reading, copy = copied(folder, content[number:])
        assert copy == content[number:]
        found[number] = reading.sha256

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: Digest.sha256(content[number:]) for number in range(4)}


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """A sparse file of 512 MiB, copied and read back, costs a few buffers."""
    script = """
import os, resource, sys
from hashing.reader import read_chunks, read_through
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fd, sink = os.open(sys.argv[1], os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
size = read_through(fd, sink_fd=sink).size
assert read_chunks(fd)[0] == size == 512 << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 512 << 20)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        check=True,
        capture_output=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert int(done.stdout) < 48 * 1024, "KiB"
