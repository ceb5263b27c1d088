"""What every vault must do: a vault's own test module inherits ``VaultContract`` and gives it fixtures."""

import base64
import json
import os
import pickle
import secrets
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from config.errors import (
    DigestMismatchError,
    LockShorteningError,
    ObjectConflictError,
    ObjectMissingError,
    VaultKeyInvalidError,
)
from hashing.digest import Digest
from storage.vault import LockMode, ReadBack, StoredVersion, Vault
from tests.storage.hold_contract import HoldContract

HOSTILE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../outside",
    "a/../../outside",
    "a/./b",
    "a//b",
    "a/",
    ".hidden",
    ".locks/a",
    "a/.tmp-1",
    "a\\b",
    "a b",
    "a\nb",
    "a\n",
    "a\x00b",
    "录像",
    "a\udcffb",
    "a%2e%2e",
    "~root",
    "x" * 201,
    "a/" * 300 + "a",
]

_WORKER = Path(__file__).with_name("put_worker.py")


def digest_of(data: bytes) -> Digest:
    return Digest.sha256(data)


def put(vault: Vault, key: str, path: Path, until: datetime) -> StoredVersion:
    """Put the file as it is, with its true digest and size."""
    data = path.read_bytes()
    return vault.put_file(key, path, digest=digest_of(data), size=len(data), lock_until=until)


def read(vault: Vault, stored: StoredVersion) -> bytes:
    with vault.open(stored.key, stored.version) as file:
        return file.read()


class VaultContract(HoldContract):
    """Inherit, and define the fixtures ``vault`` and ``reopen``."""

    lock_length = timedelta(days=1)
    """A store whose locks really bind wants a short one."""

    @pytest.fixture
    def vault(self) -> Vault:
        raise NotImplementedError

    @pytest.fixture
    def reopen(self) -> Callable[[], Vault]:
        """Open the same vault again, in this or another process: the callable is pickled."""
        raise NotImplementedError

    @pytest.fixture
    def spool(self, tmp_path: Path) -> Path:
        folder = tmp_path / "spool"
        folder.mkdir()
        return folder

    @pytest.fixture
    def until(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) + self.lock_length

    @pytest.fixture
    def name(self) -> str:
        """A prefix that no other test has: what is locked stays."""
        return f"contract/{secrets.token_hex(8)}"

    # putting

    def test_what_was_put_comes_back(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        data = os.urandom(300_000)
        source = spool / "clip"
        source.write_bytes(data)
        stored = put(vault, f"{name}/clip", source, until)
        assert (stored.key, stored.size, stored.adopted) == (f"{name}/clip", len(data), False)
        assert stored.read_back in set(ReadBack)
        assert stored.lock_mode is not LockMode.NONE
        assert stored.lock_until is not None
        assert stored.lock_until >= until
        assert read(vault, stored) == data
        head = vault.head(stored.key, stored.version)
        assert (head.size, head.version, head.lock_mode) == (len(data), stored.version, stored.lock_mode)
        assert head.lock_until == stored.lock_until
        assert head.read_back is None

    @pytest.mark.parametrize("size", [0, 1, 9 * 1024 * 1024], ids=["empty", "one byte", "9 MiB"])
    def test_sizes(self, vault: Vault, spool: Path, name: str, until: datetime, size: int) -> None:
        data = os.urandom(size)
        source = spool / "clip"
        source.write_bytes(data)
        stored = put(vault, f"{name}/clip", source, until)
        assert stored.size == size
        assert read(vault, stored) == data
        source.write_bytes(data)
        assert put(vault, f"{name}/clip", source, until).adopted

    def test_bytes(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/a.json", b"{}", lock_until=until)
        assert read(vault, stored) == b"{}"
        assert stored.read_back in set(ReadBack)
        empty = vault.put_bytes(f"{name}/empty", b"", lock_until=until)
        assert (read(vault, empty), empty.size) == (b"", 0)

    def test_a_verified_inode_is_taken_over(
        self, vault: Vault, spool: Path, name: str, until: datetime
    ) -> None:
        source = spool / "clip"
        source.write_bytes(b"footage")
        facts = source.stat()
        stored = vault.put_file(
            f"{name}/clip",
            source,
            digest=digest_of(b"footage"),
            size=7,
            lock_until=until,
            verified_inode=(facts.st_dev, facts.st_ino),
        )
        assert read(vault, stored) == b"footage"
        assert stored.read_back in set(ReadBack)

    def test_a_file_that_is_not_what_was_said_is_not_published(
        self, vault: Vault, spool: Path, name: str, until: datetime
    ) -> None:
        source = spool / "clip"
        source.write_bytes(b"other bytes")
        with pytest.raises(DigestMismatchError):
            vault.put_file(
                f"{name}/clip", source, digest=digest_of(b"those bytes"), size=11, lock_until=until
            )
        with pytest.raises(DigestMismatchError):
            vault.put_file(
                f"{name}/clip", source, digest=digest_of(b"other bytes"), size=12, lock_until=until
            )
        assert vault.versions(f"{name}/clip") == ()
        assert source.read_bytes() == b"other bytes"
        assert read(vault, put(vault, f"{name}/clip", source, until)) == b"other bytes"

    def test_neither_file_nor_object(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        with pytest.raises(FileNotFoundError):
            vault.put_file(f"{name}/clip", spool / "gone", digest=digest_of(b""), size=0, lock_until=until)
        assert vault.versions(f"{name}/clip") == ()

    # repeating

    def test_same_bytes_are_adopted(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        first = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        source = spool / "clip"
        source.write_bytes(b"footage")
        again = put(vault, f"{name}/clip", source, until)
        assert (again.adopted, again.version) == (True, first.version)
        assert again.read_back in set(ReadBack)
        assert source.read_bytes() == b"footage"  # the caller's to remove
        assert vault.put_bytes(f"{name}/clip", b"footage", lock_until=until).adopted
        assert len(vault.versions(f"{name}/clip")) == 1

    def test_a_repeat_after_the_file_is_gone_adopts(
        self, vault: Vault, spool: Path, name: str, until: datetime
    ) -> None:
        first = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        again = vault.put_file(
            f"{name}/clip", spool / "gone", digest=digest_of(b"footage"), size=7, lock_until=until
        )
        assert (again.adopted, again.version) == (True, first.version)

    def test_adopting_extends_the_lock_and_never_shortens_it(
        self, vault: Vault, name: str, until: datetime
    ) -> None:
        first = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        later = until + timedelta(seconds=5)
        assert vault.put_bytes(f"{name}/clip", b"footage", lock_until=later).lock_until == later
        assert vault.put_bytes(f"{name}/clip", b"footage", lock_until=until).lock_until == later
        assert vault.head(f"{name}/clip", first.version).lock_until == later

    def test_other_bytes_are_a_conflict(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        first = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        source = spool / "clip"
        source.write_bytes(b"other")
        later = until + timedelta(seconds=5)
        with pytest.raises(ObjectConflictError) as problem:
            put(vault, f"{name}/clip", source, later)
        assert problem.value.facts["key"] == f"{name}/clip"
        with pytest.raises(ObjectConflictError):
            vault.put_bytes(f"{name}/clip", b"other", lock_until=later)
        assert source.read_bytes() == b"other"
        assert read(vault, first) == b"footage"
        assert vault.head(first.key, first.version).lock_until == first.lock_until

    def test_threads_put_the_same_bytes(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        data = os.urandom(100_000)
        sources = [spool / str(index) for index in range(8)]
        for source in sources:
            source.write_bytes(data)

        def one(index: int) -> StoredVersion:
            return put(vault, f"{name}/clip", sources[index], until + timedelta(seconds=index))

        with ThreadPoolExecutor(8) as pool:
            stored = list(pool.map(one, range(8)))
        assert [version.adopted for version in stored].count(False) == 1
        (only,) = vault.versions(f"{name}/clip")
        assert {version.version for version in stored} == {only.version}
        assert only.lock_until == until + timedelta(seconds=7)
        assert read(vault, only) == data

    def test_processes_put_the_same_bytes(
        self, vault: Vault, reopen: Callable[[], Vault], spool: Path, name: str, until: datetime
    ) -> None:
        data = os.urandom(100_000)
        go = spool / "go"
        workers = []
        for index in range(4):
            source = spool / str(index)
            source.write_bytes(data)
            task = {
                "vault": base64.b64encode(pickle.dumps(reopen)).decode(),
                "go": str(go),
                "path": str(source),
                "key": f"{name}/clip",
                "sha256": digest_of(data).hex,
                "size": len(data),
                "until": (until + timedelta(seconds=index)).isoformat(),
            }
            workers.append(
                subprocess.Popen(
                    [sys.executable, str(_WORKER), json.dumps(task)],
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    text=True,
                )
            )
        go.touch()
        answers = []
        for worker in workers:
            out, _ = worker.communicate(timeout=60)
            assert worker.returncode == 0
            answers.append(json.loads(out))
        assert [answer["adopted"] for answer in answers].count(False) == 1
        (only,) = vault.versions(f"{name}/clip")
        assert {answer["version"] for answer in answers} == {only.version}
        assert only.lock_until == until + timedelta(seconds=3)
        assert read(vault, only) == data

    # locks

    def test_a_lock_is_extended(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        later = until + timedelta(seconds=10)
        assert vault.extend_lock(stored.key, stored.version, later).lock_until == later
        assert vault.head(stored.key, stored.version).lock_until == later
        assert vault.extend_lock(stored.key, stored.version, later).lock_until == later

    def test_a_lock_is_not_shortened(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        with pytest.raises(LockShorteningError) as problem:
            vault.extend_lock(stored.key, stored.version, until - timedelta(seconds=1))
        assert problem.value.facts["key"] == stored.key
        assert vault.head(stored.key, stored.version).lock_until == stored.lock_until

    def test_threads_that_extend_leave_the_latest_date(
        self, vault: Vault, name: str, until: datetime
    ) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        refused = []

        def extend(seconds: int) -> None:
            try:
                vault.extend_lock(stored.key, stored.version, until + timedelta(seconds=seconds))
            except LockShorteningError:
                refused.append(seconds)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(extend, [5, 9, 1, 14, 3, 12, 7, 10]))
        assert 14 not in refused
        assert vault.head(stored.key, stored.version).lock_until == until + timedelta(seconds=14)

    def test_times_need_a_zone(self, vault: Vault, spool: Path, name: str, until: datetime) -> None:
        naive = until.replace(tzinfo=None)
        source = spool / "clip"
        source.write_bytes(b"footage")
        with pytest.raises(ValueError, match="time zone"):
            vault.put_bytes(f"{name}/clip", b"footage", lock_until=naive)
        with pytest.raises(ValueError, match="time zone"):
            put(vault, f"{name}/clip", source, naive)
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        with pytest.raises(ValueError, match="time zone"):
            vault.extend_lock(stored.key, stored.version, naive)
        assert vault.head(stored.key, stored.version).lock_until == stored.lock_until

    def test_times_come_back_in_utc(self, vault: Vault, name: str, until: datetime) -> None:
        shanghai = until.astimezone(timezone(timedelta(hours=8)))
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=shanghai)
        head = vault.head(stored.key, stored.version)
        assert head.lock_until == until
        assert head.lock_until.utcoffset() == timedelta(0)

    # versions and listing

    def test_a_missing_object(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        for key, version in [(f"{name}/none", stored.version), (stored.key, digest_of(b"other").hex)]:
            with pytest.raises(ObjectMissingError):
                vault.head(key, version)
            with pytest.raises(ObjectMissingError):
                vault.open(key, version)
            with pytest.raises(ObjectMissingError):
                vault.extend_lock(key, version, until)
        assert vault.versions(f"{name}/none") == ()

    def test_versions(self, vault: Vault, name: str, until: datetime) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        assert vault.versions(stored.key) == (vault.head(stored.key, stored.version),)

    def test_keys_are_listed_in_order_and_by_prefix(self, vault: Vault, name: str, until: datetime) -> None:
        names = ["a", "a.json", "a.json.p7s", "b/c/d", "b/c/e", "b/cc", "b-c", "b.c", "b0"]
        for one in names:
            vault.put_bytes(f"{name}/{one}", one.encode(), lock_until=until)
        everything = sorted(f"{name}/{one}" for one in names)
        assert list(vault.keys(f"{name}/")) == everything
        for prefix in ("a", "a.json", "b", "b/", "b/c", "b/c/", "b/c/d", "x", "b/c/d/"):
            start = f"{name}/{prefix}"
            assert list(vault.keys(start)) == [key for key in everything if key.startswith(start)], prefix
            for after in ("", f"{name}/a.json", f"{name}/b", f"{name}/z"):
                wanted = [key for key in everything if key.startswith(start) and key > after]
                assert list(vault.keys(start, after=after)) == wanted, (prefix, after)
        assert set(everything) <= set(vault.keys())
        assert list(vault.keys("../")) == []

    def test_another_opening_sees_the_same(
        self, vault: Vault, reopen: Callable[[], Vault], name: str, until: datetime
    ) -> None:
        stored = vault.put_bytes(f"{name}/clip", b"footage", lock_until=until)
        other = reopen()
        assert other.url == vault.url
        assert other.versions(stored.key) == vault.versions(stored.key)
        assert read(other, stored) == b"footage"

    # what must not be possible

    @pytest.mark.parametrize("key", HOSTILE_KEYS)
    def test_hostile_keys(self, vault: Vault, spool: Path, until: datetime, key: str) -> None:
        source = spool / "clip"
        source.write_bytes(b"footage")
        version = digest_of(b"footage").hex
        with pytest.raises(VaultKeyInvalidError):
            put(vault, key, source, until)
        with pytest.raises(VaultKeyInvalidError):
            vault.put_bytes(key, b"footage", lock_until=until)
        with pytest.raises(VaultKeyInvalidError):
            vault.head(key, version)
        with pytest.raises(VaultKeyInvalidError):
            vault.open(key, version)
        with pytest.raises(VaultKeyInvalidError):
            vault.versions(key)
        with pytest.raises(VaultKeyInvalidError):
            vault.extend_lock(key, version, until)
        with pytest.raises(VaultKeyInvalidError):
            vault.hold(key, version, held=True)
        assert source.read_bytes() == b"footage"

    def test_nothing_deletes(self, vault: Vault) -> None:
        words = ("delete", "remove", "unlink", "purge", "destroy", "truncate", "shorten", "overwrite")
        assert [name for name in dir(vault) if any(word in name.lower() for word in words)] == []

    def test_the_url_holds_no_secret(self, vault: Vault) -> None:
        assert "@" not in vault.url
