"""What a retrieval that was killed left in a folder goes, and nothing else."""

import fcntl
import os
from pathlib import Path

from storage.retrieval import part_name, sweep


def left(folder: Path, name: str) -> Path:
    path = folder / part_name(name)
    path.write_bytes(b"half")
    return path


def test_what_nobody_works_on_goes(tmp_path: Path) -> None:
    gone = [left(tmp_path, name) for name in ("a.mp4", "b c.mp4")]
    assert sweep(tmp_path) == gone
    assert list(tmp_path.iterdir()) == []
    assert sweep(tmp_path) == []


def test_what_somebody_writes_stays(tmp_path: Path) -> None:
    path = left(tmp_path, "a.mp4")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert sweep(tmp_path) == []
    assert sweep(tmp_path) == [path]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    others = {"clip.mp4", ".clip.mp4.part", "clip.mp4.sealdock.part", ".sealdock.part.mp4"}
    for name in others:
        (tmp_path / name).write_bytes(b"somebody's")
    named = tmp_path / part_name("named")
    named.hardlink_to(tmp_path / "clip.mp4")
    (tmp_path / part_name("link")).symlink_to(tmp_path / "clip.mp4")
    (tmp_path / part_name("folder")).mkdir()
    os.mkfifo(tmp_path / part_name("fifo"))
    before = sorted(tmp_path.iterdir())
    assert sweep(tmp_path) == []
    assert sorted(tmp_path.iterdir()) == before
