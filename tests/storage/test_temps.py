"""Unfinished files: removed by whoever made them, swept when abandoned, never when in use."""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import temps
from storage.local import LocalVault

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
OURS = ".tmp-123-0123456789abcdef"


@pytest.fixture
def folder(root: Path) -> Path:
    LocalVault.create(root)
    return root / ".tmp"


def put(root: Path, key: str = "clip") -> None:
    LocalVault(root).put_bytes(key, b"footage", lock_until=UNTIL)


def test_yesterdays_are_swept_at_the_first_write(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / OURS).touch()
    put(root)
    assert (folder / OURS).exists()  # too young to be abandoned
    monkeypatch.setattr(temps, "ABANDONED_AFTER", timedelta(seconds=-1))
    LocalVault(root).versions("clip")
    assert (folder / OURS).exists()  # reading changes nothing
    put(root, "other")
    assert list(folder.iterdir()) == []


def test_what_may_be_in_use_or_not_ours_stays(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(temps, "ABANDONED_AFTER", timedelta(seconds=-1))
    in_use = os.open(folder / OURS, os.O_CREAT | os.O_RDWR)
    fcntl.flock(in_use, fcntl.LOCK_EX)
    (folder / "notes.txt").touch()
    (folder / ".tmp-1-short").touch()
    (folder / OURS.replace("123", "124")).mkdir()
    (folder / OURS.replace("123", "125")).symlink_to(tmp_path)
    second = folder / OURS.replace("123", "126")
    second.touch()
    os.link(second, tmp_path / "second name")
    before = sorted(path.name for path in folder.iterdir())
    put(root)
    assert sorted(path.name for path in folder.iterdir()) == before
    os.close(in_use)
    put(root, "other")
    assert not (folder / OURS).exists()


def test_they_are_listed_and_discarded_unless_in_use(root: Path, folder: Path) -> None:
    vault = LocalVault(root)
    in_use = os.open(folder / OURS, os.O_CREAT | os.O_RDWR)
    fcntl.flock(in_use, fcntl.LOCK_EX)
    (folder / "notes.txt").touch()
    left = folder / OURS.replace("123", "124")
    left.touch()
    (item,) = vault.unfinished()
    assert (item.id, item.key, item.ours) == (left.name, None, True)
    assert vault.discard(item)
    assert vault.discard(item)
    assert list(vault.unfinished()) == []
    os.close(in_use)
    (other,) = vault.unfinished()
    again = os.open(folder / OURS, os.O_RDWR)
    fcntl.flock(again, fcntl.LOCK_EX)
    assert not vault.discard(other)
    os.close(again)
    assert vault.discard(other)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
