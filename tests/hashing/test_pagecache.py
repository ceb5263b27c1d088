import os
from pathlib import Path

import pytest

from hashing.durable import drop_cache
from hashing.pagecache import resident_pages

SIZE = 4 * 1024 * 1024


def written(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return path


def on_a_disk(path: Path) -> bool:
    """Memory file systems keep everything in the cache: it is all they have."""
    device = path.stat().st_dev
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    here = [line for line in mounts if line.split()[2] == f"{os.major(device)}:{os.minor(device)}"]
    return not any(f" - {kind} " in line for line in here for kind in ("tmpfs", "ramfs"))


@pytest.mark.parametrize("mode", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
def test_a_flushed_file_leaves_the_cache(tmp_path: Path, mode: int) -> None:
    if not on_a_disk(tmp_path):
        pytest.skip("the temporary folder is in memory")
    path = written(tmp_path / "file", SIZE + 1)
    path.read_bytes()
    fd = os.open(path, mode)
    try:
        assert resident_pages(fd) == SIZE // 4096 + 1
        assert drop_cache(fd)
        assert resident_pages(fd) == 0
    finally:
        os.close(fd)


def test_memory_is_no_medium() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no file system in memory")
    path = written(Path("/dev/shm") / f"sealdock-cache-{os.getpid()}", SIZE)
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            assert not drop_cache(fd)
        finally:
            os.close(fd)
    finally:
        path.unlink()


def test_a_mapped_page_stays_and_is_seen(tmp_path: Path) -> None:
    import mmap  # noqa: PLC0415 - used here alone

    path = written(tmp_path / "file", SIZE)
    fd = os.open(path, os.O_RDONLY)
    try:
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
            assert len(mapped[:]) == SIZE  # touches every page, and the mapping pins them
            assert not drop_cache(fd)
    finally:
        os.close(fd)


def test_an_empty_file_has_nothing_to_drop(tmp_path: Path) -> None:
    fd = os.open(written(tmp_path / "file", 0), os.O_RDONLY)
    try:
        assert drop_cache(fd)
    finally:
        os.close(fd)
