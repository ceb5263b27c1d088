"""The order of a put, crashes in the middle of it, and what may be taken over."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.errors import DigestMismatchError, ObjectConflictError
from hashing.digest import Digest
from storage.local import LocalVault
from storage.vault import LockMode, ReadBack, StoredVersion

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
KEY = "clips/sha256/ab/clip"
DRIVER = Path(__file__).with_name("crash_driver.py")


@pytest.fixture
def vault(root: Path) -> LocalVault:
    return LocalVault.create(root)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "clip"
    path.write_bytes(b"footage")
    return path


def put(vault: LocalVault, path: Path, *, verified: bool = False) -> StoredVersion:
    facts = path.stat()
    return vault.put_file(
        KEY,
        path,
        digest=Digest.sha256(b"footage"),
        size=7,
        lock_until=UNTIL,
        verified_inode=(facts.st_dev, facts.st_ino) if verified else None,
    )


class Journal:
    """Writes down what reaches the disk and in which order, by inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, int]] = []
        fsync, rename = os.fsync, os.rename

        def noted_fsync(fd: int) -> None:
            fsync(fd)
            self.steps.append(("sync", os.fstat(fd).st_ino))

        def noted_rename(source: Any, target: Any, **folders: int) -> None:
            inode = os.stat(source, dir_fd=folders.get("src_dir_fd"), follow_symlinks=False).st_ino
            rename(source, target, **folders)
            self.steps.append(("rename", inode))

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "rename", noted_rename)

    def at(self, kind: str, path: Path) -> list[int]:
        inode = path.stat().st_ino
        return [place for place, step in enumerate(self.steps) if step == (kind, inode)]


@pytest.mark.parametrize("what", ["bytes", "move", "copy"])
def test_the_order_of_a_put(
    vault: LocalVault, source: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    journal = Journal(monkeypatch)
    if what == "bytes":
        vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    else:
        if what == "copy":
            os.link(source, source.with_name("second"))
        put(vault, source)
    record = vault.root / ".locks" / f"{KEY}.json"
    path = vault.root / KEY
    (named,) = journal.at("rename", path)
    assert journal.at("sync", path)[0] < named  # the bytes, before they have a name
    (locked,) = journal.at("rename", record)
    for folder in (record, *record.parents[: len(KEY.split("/"))]):  # the record and the way to it
        assert any(locked < place < named for place in journal.at("sync", folder)), folder
    for folder in [*path.parents][: len(KEY.split("/"))]:  # the name and the way to it
        assert any(place > named for place in journal.at("sync", folder)), folder


def test_a_process_that_found_the_folders_syncs_them_too(
    vault: LocalVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vault.root / KEY).parent.mkdir(parents=True)  # somebody made them a moment ago
    journal = Journal(monkeypatch)
    vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    for folder in [*(vault.root / KEY).parents][:4]:
        assert journal.at("sync", folder), folder
    before = len(journal.steps)
    vault.put_bytes(KEY + "2", b"footage", lock_until=UNTIL)
    again = journal.steps[before:]
    assert ("sync", vault.root.stat().st_ino) not in again  # once a process
    assert len(again) == 6  # bytes, rename, record, its folder, rename, the object's folder


def test_a_record_beside_an_object_is_synced_before_it_replaces_the_old_one(
    vault: LocalVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    journal = Journal(monkeypatch)
    vault.extend_lock(KEY, stored.version, UNTIL + timedelta(days=1))
    record = vault.root / ".locks" / f"{KEY}.json"
    (renamed,) = journal.at("rename", record)
    assert journal.at("sync", record)[0] < renamed
    assert journal.at("sync", record.parent)[0] > renamed


@pytest.mark.slow
@pytest.mark.parametrize("immutable", ["off", "auto"])
def test_killed_at_every_call_a_repeat_converges(root: Path, immutable: str) -> None:
    root.mkdir()
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(root), immutable],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    places = json.loads(done.stdout)
    assert set(places) == {"Move", "Copy", "Bytes", "Extend", "Adopt"}
    assert min(places.values()) > 8, places


def test_a_moved_inode_keeps_the_read_back_of_the_spool(vault: LocalVault, source: Path) -> None:
    inode = source.stat().st_ino
    stored = put(vault, source, verified=True)
    assert stored.read_back is ReadBack.MEDIA
    assert (vault.root / KEY).stat().st_ino == inode
    assert not source.exists()


def test_an_inode_that_was_not_verified_is_read_back(
    vault: LocalVault, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = _count_hashing(monkeypatch)
    put(vault, source)
    assert hashed() == 1
    other = source.with_name("other")
    other.write_bytes(b"footage")
    facts = other.stat()
    vault.put_file(
        KEY + "2",
        other,
        digest=Digest.sha256(b"footage"),
        size=7,
        lock_until=UNTIL,
        verified_inode=(facts.st_dev, facts.st_ino),
    )
    assert hashed() == 1


def test_a_wrong_file_that_is_called_verified_has_at_least_the_right_size(
    vault: LocalVault, source: Path
) -> None:
    source.write_bytes(b"footage!")
    with pytest.raises(DigestMismatchError):
        put(vault, source, verified=True)
    assert vault.versions(KEY) == ()


def test_a_file_with_two_names_is_copied(vault: LocalVault, source: Path) -> None:
    second = source.with_name("second")
    os.link(source, second)
    put(vault, source, verified=True)
    second.write_bytes(b"changed")
    assert (vault.root / KEY).read_bytes() == b"footage"
    assert (vault.root / KEY).stat().st_nlink == 1


def test_from_another_file_system(vault: LocalVault, other_disk: Path) -> None:
    source = other_disk / "clip"
    source.write_bytes(b"footage")
    stored = put(vault, source, verified=True)
    assert (vault.root / KEY).read_bytes() == b"footage"
    assert (stored.adopted, stored.lock_until) == (False, UNTIL)
    assert source.exists()  # the caller's to remove
    assert not list((vault.root / ".tmp").iterdir())


def test_a_rename_that_turns_out_to_cross_file_systems(
    vault: LocalVault, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two mounts of one file system have one device number, and rename refuses all the same.
    rename = os.rename

    def refuse(old: Any, new: Any, **folders: int) -> None:
        if old == source:
            raise OSError(18, "Invalid cross-device link")
        rename(old, new, **folders)

    monkeypatch.setattr(os, "rename", refuse)
    stored = put(vault, source)
    assert (vault.root / KEY).read_bytes() == b"footage"
    assert vault.head(KEY, stored.version).lock_mode is LockMode.ADVISORY
    assert source.exists()


def test_a_source_that_is_no_regular_file(vault: LocalVault, source: Path) -> None:
    link = source.with_name("link")
    link.symlink_to(source)
    fifo = source.with_name("fifo")
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="symbolic"):
        put(vault, link)
    with pytest.raises(ValueError, match="regular"):
        vault.put_file(KEY, fifo, digest=Digest.sha256(b""), size=0, lock_until=UNTIL)
    assert vault.versions(KEY) == ()


def test_a_source_that_is_replaced_meanwhile_is_not_taken(
    vault: LocalVault, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fchmod = os.fchmod

    def swap(fd: int, mode: int) -> None:  # called for the record's temporary file, before the rename
        if source.exists():
            source.rename(source.with_name("away"))
            source.write_bytes(b"tricked")
        fchmod(fd, mode)

    monkeypatch.setattr(os, "fchmod", swap)
    with pytest.raises(DigestMismatchError):
        put(vault, source, verified=True)
    assert vault.versions(KEY) == ()


def test_adoption_hashes_what_lies_there(vault: LocalVault, source: Path) -> None:
    stored = vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    flip(vault.root / KEY)
    assert vault.head(KEY, stored.version).version == stored.version  # the record cannot know
    with pytest.raises(ObjectConflictError) as problem:
        put(vault, source)
    assert problem.value.facts["expected"] == str(Digest.sha256(b"footage"))
    assert source.read_bytes() == b"footage"


def test_adoption_puts_right_what_a_crash_left(vault: LocalVault) -> None:
    vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    thaw(vault.root / KEY)
    (vault.root / KEY).chmod(0o644)
    (vault.root / ".locks" / f"{KEY}.json").unlink()
    assert vault.put_bytes(KEY, b"footage", lock_until=UNTIL).adopted
    assert (vault.root / KEY).stat().st_mode & 0o777 == 0o444
    assert vault.versions(KEY)[0].lock_until == UNTIL


def flip(path: Path) -> None:
    """Change one byte of a published object, as a failing disk would."""
    thaw(path)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    path.chmod(0o444)


def thaw(path: Path) -> None:
    from storage.immutable import set_immutable  # noqa: PLC0415 - only root's runs need it

    fd = os.open(path, os.O_RDONLY)
    set_immutable(fd, immutable=False)
    os.close(fd)


def _count_hashing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    import storage.read_back  # noqa: PLC0415 - patched here alone

    calls = []
    hashing = storage.read_back.sha256_of

    def counted(fd: int) -> Digest:
        calls.append(fd)
        return hashing(fd)

    monkeypatch.setattr(storage.read_back, "sha256_of", counted)
    return lambda: len(calls)
