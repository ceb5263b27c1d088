import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hashing import durable
from hashing.durable import TEMP_PREFIX

DATA = b"the whole content\n" * 1000

# A child that kills itself with SIGKILL right before or right after its n-th call that reaches the
# file system. 0 once it has run to the end: then every point has been tried.
CHILD = """
import fcntl, os, signal, sys
from pathlib import Path
from hashing import durable

what, folder, point, when = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
calls = 0

def deadly(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == point and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if calls == point and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

# Two bytes a call: a kill in the middle of the content, too.
write = os.write
os.write = lambda fd, data: write(fd, bytes(data)[: max(1, len(data) // 2)])
for name in ("open", "write", "fsync", "fchmod", "close", "mkdir", "rename", "unlink"):
    setattr(os, name, deadly(getattr(os, name)))
fcntl.flock = deadly(fcntl.flock)
durable._rename_new = deadly(durable._rename_new)
Path.replace = deadly(Path.replace)

if what == "write_new":
    durable.write_new(folder / "final", b"the whole content\\n" * 1000)
elif what == "replace":
    durable.replace(folder / "final", b"the whole content\\n" * 1000)
elif what == "publish":
    durable.publish(folder / "spool" / "copy", folder / "final")
"""


def run_until_killed(what: str, folder: Path, point: int, when: str) -> bool:
    """Run one child; True if it was killed, False if it got to the end."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, what, str(folder), str(point), when],
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
        capture_output=True,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode != 0


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(TEMP_PREFIX)]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_write_new_killed_at_every_call(tmp_path: Path, when: str) -> None:
    killed = True
    point = 0
    while killed:
        point += 1
        folder = tmp_path / str(point)
        folder.mkdir()
        killed = run_until_killed("write_new", folder, point, when)
        final = folder / "final"
        assert not final.exists() or final.read_bytes() == DATA
        assert all(path == final for path in folder.iterdir() if path not in unfinished(folder))
        if not final.exists():
            durable.write_new(final, DATA)  # the repeat is not in its own way
        assert final.read_bytes() == DATA
    assert point > 8
    assert not unfinished(folder)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_replace_killed_at_every_call(tmp_path: Path, when: str) -> None:
    killed = True
    point = 0
    seen = set()
    while killed:
        point += 1
        folder = tmp_path / str(point)
        folder.mkdir()
        final = folder / "final"
        final.write_bytes(b"old")
        killed = run_until_killed("replace", folder, point, when)
        seen.add(final.read_bytes())
    assert seen == {b"old", DATA}
    assert point > 8


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_publish_killed_at_every_call(tmp_path: Path, when: str) -> None:
    killed = True
    point = 0
    seen = set()
    while killed:
        point += 1
        folder = tmp_path / str(point)
        (folder / "spool").mkdir(parents=True)
        (folder / "spool" / "copy").write_bytes(DATA)
        killed = run_until_killed("publish", folder, point, when)
        there = [path for path in (folder / "spool" / "copy", folder / "final") if path.exists()]
        assert len(there) == 1, "in exactly one place, at any time"
        assert there[0].read_bytes() == DATA
        seen.add(there[0].name)
    assert seen == {"copy", "final"}
    assert point > 5


def test_a_new_file_is_complete_and_read_only(tmp_path: Path) -> None:
    path = tmp_path / "new"
    durable.write_new(path, DATA)
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    durable.write_new(tmp_path / "key", b"", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert not unfinished(tmp_path)


@pytest.mark.parametrize("taken_by", ["file", "folder", "dangling link"])
def test_a_taken_name_is_refused(tmp_path: Path, taken_by: str) -> None:
    path = tmp_path / "taken"
    if taken_by == "file":
        path.write_bytes(b"first")
    elif taken_by == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    copy = tmp_path / "copy"
    copy.write_bytes(b"second")
    with pytest.raises(FileExistsError):
        durable.write_new(path, b"second")
    with pytest.raises(FileExistsError):
        durable.publish(copy, path)
    assert copy.read_bytes() == b"second"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["copy", "taken"]
    assert taken_by != "file" or path.read_bytes() == b"first"


def test_a_taken_name_is_refused_without_the_kernels_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_renameat2", lambda: None)
    (tmp_path / "taken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "taken", b"second")
    durable.write_new(tmp_path / "free", b"second")
    assert (tmp_path / "free").read_bytes() == b"second"
    assert not unfinished(tmp_path)


@pytest.mark.parametrize("kernel", [True, False])
def test_one_of_many_writers_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kernel: bool) -> None:
    if not kernel:
        monkeypatch.setattr(durable, "_renameat2", lambda: None)
    path = tmp_path / "contested"
    outcomes: list[bytes | None] = []
    start = threading.Barrier(8)

    def write(content: bytes) -> None:
        start.wait()
        try:
            durable.write_new(path, content)
        except FileExistsError:
            outcomes.append(None)
        else:
            outcomes.append(content)

    writers = [threading.Thread(target=write, args=(bytes([number]) * 100,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    winners = [content for content in outcomes if content is not None]
    assert len(outcomes) == 8
    assert [path.read_bytes()] == winners


def test_a_full_medium_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "old").write_bytes(b"old")
    monkeypatch.setattr(os, "write", full)
    for call in (durable.write_new, durable.replace):
        with pytest.raises(OSError, match="No space"):
            call(tmp_path / "old", DATA)
    monkeypatch.undo()
    assert [item.name for item in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_replacing(tmp_path: Path) -> None:
    path = tmp_path / "setting"
    durable.replace(path, b"one")
    durable.replace(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_publishing_what_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.publish(tmp_path / "gone", tmp_path / "final")
    assert not list(tmp_path.iterdir())


def test_publishing_across_file_systems_is_refused(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only")
    elsewhere = memory / f"sealdock-test-{os.getpid()}"
    elsewhere.write_bytes(DATA)
    try:
        with pytest.raises(OSError, match="cross-device") as caught:
            durable.publish(elsewhere, tmp_path / "final")
        assert caught.value.errno == errno.EXDEV
        assert elsewhere.read_bytes() == DATA
        assert not (tmp_path / "final").exists()
    finally:
        elsewhere.unlink()


def test_folders_are_made_and_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(durable, "fsync_dir", flushed.append)
    durable.make_dirs(tmp_path / "a" / "b" / "c", mode=0o700)
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert flushed == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    durable.make_dirs(tmp_path / "a" / "b" / "c")
    assert len(flushed) == 3, "nothing new, nothing to flush"


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        durable.make_dirs(tmp_path / "file")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        durable.make_dirs(tmp_path / "file" / "below")
