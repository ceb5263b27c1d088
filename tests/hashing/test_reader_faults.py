import errno
import fcntl
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

from hashing import reader
from hashing.chunks import CHUNK_SIZE
from hashing.digest import Digest
from hashing.direct import SMALL
from hashing.reader import SinkError, read_chunk, read_chunks, read_through
from tests.support.reading import LARGE, copied, source, target


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("sealdock")]
    assert left == []


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(LARGE)


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
@pytest.mark.parametrize("victim", ["_Flat", "_Chunks"])
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
        changed = [index for index in range(after.count) if after.leaf(index) != before.leaf(index)]
        assert changed == [1]
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


@pytest.mark.slow
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
