"""The local vault: the contract, and what is particular to a file system."""

import functools
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.errors import (
    InvalidSettingError,
    ObjectConflictError,
    ObjectMissingError,
    VaultUnavailableError,
)
from hashing.digest import Digest
from storage.immutable import is_immutable, set_immutable
from storage.local import LocalVault
from storage.vault import LockMode, ReadBack, Vault
from tests.storage.listing_contract import ListingContract
from tests.storage.vault_contract import VaultContract

UNTIL = datetime(2031, 1, 1, tzinfo=UTC)
KEY = "clips/sha256/ab/clip"
VERSION = Digest.sha256(b"footage").hex


class TestContract(ListingContract, VaultContract):
    @pytest.fixture
    def reopen(self, root: Path) -> Callable[[], Vault]:
        return functools.partial(LocalVault, root)

    @pytest.fixture
    def vault(self, root: Path) -> Vault:
        return LocalVault.create(root)


class TestContractInMemory(ListingContract, VaultContract):
    """A vault on a file system of its own: every file is copied, and the cache cannot be emptied."""

    @pytest.fixture
    def reopen(self, other_disk: Path) -> Callable[[], Vault]:
        return functools.partial(LocalVault, other_disk / "vault")

    @pytest.fixture
    def vault(self, other_disk: Path) -> Vault:
        return LocalVault.create(other_disk / "vault")

    def test_the_read_back_says_so(self, vault: Vault) -> None:
        assert vault.put_bytes(KEY, b"footage", lock_until=UNTIL).read_back is ReadBack.CACHE


@pytest.fixture
def vault(root: Path) -> LocalVault:
    return LocalVault.create(root)


@pytest.fixture
def stored(vault: LocalVault) -> Path:
    """An object that may be tampered with."""
    vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    path = vault.root / KEY
    _attribute(path, immutable=False)
    return path


@pytest.fixture
def record(vault: LocalVault, stored: Path) -> Path:
    """The record of its lock."""
    assert stored.exists()
    return vault.root / ".locks" / f"{KEY}.json"


def test_a_file_that_is_kept_stays_as_it_is(vault: LocalVault, root: Path) -> None:
    source = root.parent / "kept"
    source.write_bytes(b"footage")
    source.chmod(0o600)
    before = source.stat()
    for _ in range(2):
        stored = vault.put_file(
            KEY,
            source,
            digest=Digest.sha256(b"footage"),
            size=7,
            lock_until=UNTIL,
            verified_inode=(before.st_dev, before.st_ino),
            keep=True,
        )
        assert stored.version == VERSION
    after, here = source.stat(), (vault.root / KEY).stat()
    assert (after.st_ino, after.st_mode, after.st_nlink) == (before.st_ino, before.st_mode, 1)
    assert here.st_ino != after.st_ino
    assert (vault.root / KEY).read_bytes() == source.read_bytes() == b"footage"


def test_where_things_lie(vault: LocalVault, stored: Path, record: Path) -> None:
    assert stored.stat().st_mode & 0o777 == 0o444
    assert record.read_bytes() == (
        b'{"held":false,"key":"clips/sha256/ab/clip","mode":"advisory","schema":"sealdock.lock/1",'
        b'"sha256":"%b","size":7,"until":"2031-01-01T00:00:00Z","version":"%b"}'
        % (VERSION.encode(), VERSION.encode())
    )
    assert sorted(path.name for path in vault.root.iterdir()) == [".locks", ".tmp", "clips"]
    assert list((vault.root / ".tmp").iterdir()) == []


# opening


def test_a_vault_is_not_made_by_writing_to_it(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "clip"
    source.write_bytes(b"footage")
    for state in ("missing", "empty mount point"):
        vault = LocalVault(root)
        with pytest.raises(VaultUnavailableError, match=str(root)):
            vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
        with pytest.raises(VaultUnavailableError):
            vault.put_file(KEY, source, digest=Digest.sha256(b"footage"), size=7, lock_until=UNTIL)
        with pytest.raises(VaultUnavailableError):
            vault.versions(KEY)
        with pytest.raises(VaultUnavailableError):
            vault.open(KEY, VERSION)
        with pytest.raises(VaultUnavailableError):
            list(vault.keys())
        assert source.exists()
        assert not root.exists() if state == "missing" else not list(root.iterdir())
        root.mkdir(exist_ok=True)


def test_making_a_vault_twice_is_harmless(vault: LocalVault, stored: Path) -> None:
    assert LocalVault.create(vault.root).versions(KEY)[0].version == VERSION
    assert stored.read_bytes() == b"footage"


def test_a_file_is_no_vault(root: Path) -> None:
    root.write_bytes(b"")
    with pytest.raises(VaultUnavailableError):
        LocalVault.create(root)


def test_urls(tmp_path: Path) -> None:
    path = tmp_path / "录像 #1?"
    assert LocalVault.from_url(LocalVault(path).url).root == path
    assert LocalVault.from_url("file:///srv/vault").root == Path("/srv/vault")
    for url in (
        "s3://bucket",
        "file://host/srv",
        "file:relative",
        "/srv/vault",
        "",
        "file:///a?b",
        "file:///a#b",
        "file:///a%00",
    ):
        with pytest.raises(InvalidSettingError) as problem:
            LocalVault.from_url(url)
        assert problem.value.facts["key"] == "vault.url"


def test_an_unknown_word_for_immutable_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="auto, off, required"):
        LocalVault(root, immutable="yes")  # type: ignore[arg-type]


# locks


@pytest.mark.parametrize("how", ["missing", "empty", "not JSON", "of another key", "a folder of links"])
def test_without_its_record_an_object_is_not_locked(
    vault: LocalVault, record: Path, tmp_path: Path, how: str
) -> None:
    good = record.read_bytes()
    target = tmp_path / "target"
    target.write_bytes(good)
    record.unlink()
    if how == "empty":
        record.write_bytes(b"")
    elif how == "not JSON":
        record.write_bytes(good[:-1])
    elif how == "of another key":
        record.write_bytes(good.replace(b"/ab/", b"/ac/"))
    elif how == "a folder of links":
        record.symlink_to(target)
    head = vault.head(KEY, VERSION)
    assert (head.lock_mode, head.lock_until, head.size) == (LockMode.NONE, None, 7)
    with pytest.raises(ObjectMissingError):
        vault.head(KEY, Digest.sha256(b"other").hex)
    with vault.open(KEY, VERSION) as file:
        assert file.read() == b"footage"
    assert vault.extend_lock(KEY, VERSION, UNTIL).lock_until == UNTIL
    assert vault.head(KEY, VERSION).lock_mode is LockMode.ADVISORY
    assert record.read_bytes() == good
    assert not record.is_symlink()
    assert target.read_bytes() == good


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("until", "2031-01-01T00:00:00"),
        ("until", "soon"),
        ("until", 5),
        ("size", -1),
        ("size", "7"),
        ("mode", "compliance"),
        ("held", "yes"),
        ("schema", "sealdock.lock/2"),
        ("sha256", "00"),
        ("version", "other"),
        ("more", 1),
        ("key", None),
    ],
)
def test_a_record_that_was_edited_is_no_record(
    vault: LocalVault, record: Path, field: str, value: object
) -> None:
    fields = json.loads(record.read_bytes())
    fields[field] = value
    record.chmod(0o644)
    record.write_text(json.dumps(fields, sort_keys=True, separators=(",", ":")))
    assert vault.versions(KEY)[0].lock_mode is LockMode.NONE


def test_a_record_without_an_object_says_nothing_but_its_date_is_kept(
    vault: LocalVault, stored: Path
) -> None:
    stored.unlink()
    assert vault.versions(KEY) == ()
    with pytest.raises(ObjectMissingError):
        vault.head(KEY, VERSION)
    again = vault.put_bytes(KEY, b"other", lock_until=UNTIL - timedelta(days=1))
    assert again.lock_until == UNTIL
    assert vault.head(KEY, Digest.sha256(b"other").hex).size == 5


def test_extending_keeps_the_size_that_was_stored(vault: LocalVault, stored: Path, record: Path) -> None:
    stored.chmod(0o644)
    stored.write_bytes(b"foot")
    vault.extend_lock(KEY, VERSION, UNTIL + timedelta(days=1))
    assert json.loads(record.read_bytes())["size"] == 7
    assert vault.head(KEY, VERSION).size == 4  # what is there, not what should be


# links


def test_a_link_in_the_tree_leads_nowhere(vault: LocalVault, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for planted in ("clips", ".locks/clips"):
        link = vault.root / planted
        link.symlink_to(outside)
        with pytest.raises(VaultUnavailableError):
            vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
        assert list(outside.iterdir()) == []
        link.unlink()
    assert not vault.put_bytes(KEY, b"footage", lock_until=UNTIL).adopted


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "fifo"])
def test_what_is_no_file_is_no_object(vault: LocalVault, stored: Path, tmp_path: Path, kind: str) -> None:
    stored.unlink()
    target = tmp_path / "target"
    if kind == "link":
        target.write_bytes(b"footage")
    if kind.endswith("link"):
        stored.symlink_to(target)
    elif kind == "folder":
        stored.mkdir()
    else:
        os.mkfifo(stored)
    with pytest.raises(ObjectMissingError):
        vault.head(KEY, VERSION)
    with pytest.raises(ObjectMissingError):
        vault.open(KEY, VERSION)
    with pytest.raises(ObjectConflictError):
        vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    assert list(vault.keys()) == []
    assert target.exists() is (kind == "link")


def test_a_linked_folder_is_not_listed(vault: LocalVault, stored: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (vault.root / "linked").symlink_to(outside)
    (stored.parent / ".hidden").touch()
    (stored.parent / "not a key").touch()
    assert list(vault.keys()) == [KEY]


# the immutable attribute


@pytest.mark.root
def test_root_finds_objects_immutable(vault: LocalVault) -> None:
    vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
    path = vault.root / KEY
    if not _attribute(path):
        pytest.skip("this user or file system has no immutable attribute")
    for spoil in (path.unlink, lambda: path.write_bytes(b"other"), lambda: path.rename(path.parent / "x")):
        with pytest.raises(PermissionError):
            spoil()
    assert vault.put_bytes(KEY, b"footage", lock_until=UNTIL + timedelta(days=1)).adopted
    _attribute(path, immutable=False)
    assert vault.put_bytes(KEY, b"footage", lock_until=UNTIL).adopted
    assert _is_immutable(path)  # adoption puts it back


def test_off_never_sets_the_attribute(root: Path) -> None:
    LocalVault.create(root, immutable="off").put_bytes(KEY, b"footage", lock_until=UNTIL)
    assert not _is_immutable(root / KEY)


def test_required_fails_where_it_cannot_be_set(root: Path) -> None:
    vault = LocalVault.create(root, immutable="required")
    probe = root / "probe"
    probe.touch()
    if _attribute(probe):
        vault.put_bytes(KEY, b"footage", lock_until=UNTIL)
        assert _is_immutable(root / KEY)
        return
    for _ in range(2):  # a repeat does not adopt what is not as it was required
        with pytest.raises(VaultUnavailableError, match="immutable"):
            vault.put_bytes(KEY, b"footage", lock_until=UNTIL)


def _attribute(path: Path, *, immutable: bool = True) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return set_immutable(fd, immutable=immutable)
    finally:
        os.close(fd)


def _is_immutable(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return is_immutable(fd)
    finally:
        os.close(fd)
