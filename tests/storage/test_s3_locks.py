"""What a real store refuses once a version is locked, and what the vault says of a changed store."""

import functools
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from botocore.exceptions import ClientError

from config.errors import (
    LockMissingError,
    ObjectConflictError,
    VaultFullError,
    VaultRefusedError,
    VaultWithoutLockError,
)
from hashing.digest import Digest
from hashing.reader import read_through
from storage.confirm import Expected, confirm
from storage.integrity import Level, Target, check
from storage.s3.bucket import Bucket, base64_md5
from storage.s3.multipart import PART
from storage.s3.vault import S3Vault
from storage.vault import LockMode
from tests.support.bucket import guarded_bucket
from tests.support.store import Store, User

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "clips/sha256/ab/clip"
Open = Callable[..., S3Vault]


@pytest.fixture
def opened(store: Store, tmp_path: Path) -> Iterator[Open]:
    """Open vaults: each call is another machine, with a state of its own."""
    vaults: list[S3Vault] = []

    def one(bucket: str, user: User | None = None) -> S3Vault:
        folder = tmp_path / str(len(vaults))
        folder.mkdir()
        credentials = (user or store.station).file(folder)
        vaults.append(S3Vault(store.url(bucket), state=folder / "uploads", credentials=credentials))
        return vaults[-1]

    yield one
    for vault in vaults:
        vault.close()


@pytest.fixture
def bucket(store: Store) -> str:
    return store.bucket(store.station)


@pytest.fixture
def client(store: Store) -> "S3Client":
    return store.client(store.station)


@pytest.fixture
def until() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=60)


@pytest.mark.parametrize("size", [7, PART + 1], ids=["one request", "in parts"])
def test_a_lock_binds_everybody(
    opened: Open, bucket: str, client: "S3Client", until: datetime, tmp_path: Path, size: int
) -> None:
    source = tmp_path / "clip"
    source.write_bytes(bytes(size))
    digest = Digest.sha256(bytes(size))
    stored = opened(bucket).put_file(KEY, source, digest=digest, size=size, lock_until=until)
    assert (stored.lock_mode, stored.lock_until) == (LockMode.COMPLIANCE, until)
    version = {"Bucket": bucket, "Key": KEY, "VersionId": stored.version}

    def retention(mode: str, date: datetime, **more: bool) -> None:
        client.put_object_retention(**version, Retention={"Mode": mode, "RetainUntilDate": date}, **more)

    for refused in (
        lambda: client.delete_object(**version),
        lambda: client.delete_object(**version, BypassGovernanceRetention=True),
        lambda: retention("COMPLIANCE", until - timedelta(seconds=10)),
        lambda: retention("COMPLIANCE", until - timedelta(seconds=10), BypassGovernanceRetention=True),
        lambda: retention("GOVERNANCE", until),
        lambda: retention("GOVERNANCE", until, BypassGovernanceRetention=True),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    with pytest.raises(ClientError, match="InvalidBucketState"):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    head = client.head_object(**version)
    assert (head["ContentLength"], head["ObjectLockMode"]) == (size, "COMPLIANCE")
    assert head["ObjectLockRetainUntilDate"] == until


def test_a_hold_outlasts_the_lock(opened: Open, bucket: str, client: "S3Client") -> None:
    vault = opened(bucket)
    stored = vault.put_bytes(KEY, b"footage", lock_until=datetime.now(UTC) + timedelta(seconds=5))
    version = {"Bucket": bucket, "Key": KEY, "VersionId": stored.version}
    assert vault.hold(KEY, stored.version, held=True).held
    assert stored.lock_until is not None
    time.sleep((stored.lock_until - datetime.now(UTC)).total_seconds() + 1)
    for more in ({}, {"BypassGovernanceRetention": True}):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(**version, **more)
    assert vault.open(KEY, stored.version).read() == b"footage"
    assert not vault.hold(KEY, stored.version, held=False).held
    client.delete_object(**version)
    assert vault.versions(KEY) == ()


@pytest.mark.parametrize("on_top", ["delete-marker", "newer-version"])
def test_what_lies_on_top(
    opened: Open, bucket: str, client: "S3Client", until: datetime, on_top: str
) -> None:
    vault = opened(bucket)
    stored = vault.put_bytes(KEY, b"footage", lock_until=until)
    if on_top == "delete-marker":
        client.delete_object(Bucket=bucket, Key=KEY)
    else:
        client.put_object(Bucket=bucket, Key=KEY, Body=b"other")
    target = Target(KEY, stored.version, 7, until, Digest.sha256(b"footage"))
    assert check(vault, target, Level.FULL).problem == on_top
    with pytest.raises(ObjectConflictError):
        confirm(vault, Expected(KEY, stored.version, 7, until))
    assert vault.open(KEY, stored.version).read() == b"footage"
    again = vault.put_bytes(KEY, b"footage", lock_until=until)
    assert (again.version, again.adopted) == (stored.version, True)
    assert list(vault.keys()) == [KEY]


@pytest.mark.parametrize("lock", ["locked", "late", "never"])
def test_a_twin_on_top(opened: Open, bucket: str, client: "S3Client", until: datetime, lock: str) -> None:
    """The same bytes on top, locked, are another station's; without a lock they are a finding."""
    vault = opened(bucket)
    stored = vault.put_bytes(KEY, b"footage", lock_until=until)
    twin = client.put_object(Bucket=bucket, Key=KEY, Body=b"footage")["VersionId"]
    target = Target(KEY, stored.version, 7, until, Digest.sha256(b"footage"))
    expected = Expected(KEY, stored.version, 7, until)
    assert check(vault, target, Level.LOCK).problem == "newer-version-unlocked"
    if lock == "never":
        with pytest.raises(ObjectConflictError):
            confirm(vault, expected)
        again = vault.put_bytes(KEY, b"footage", lock_until=until)  # locks what was cut off before it was
        assert (again.version, again.adopted) == (stored.version, True)
    elif lock == "late":
        threading.Timer(0.5, vault.extend_lock, (KEY, twin, until)).start()
        assert confirm(vault, expected).version == stored.version
    else:
        vault.extend_lock(KEY, twin, until)
    assert confirm(vault, expected).version == stored.version
    assert check(vault, target, Level.FULL).problem is None
    # Whichever of the two a register wrote down, it is right.
    assert confirm(vault, Expected(KEY, twin, 7, until)).version == twin
    client.put_object(Bucket=bucket, Key=KEY, Body=b"other")
    assert check(vault, target, Level.LOCK).problem == "newer-version"
    with pytest.raises(ObjectConflictError):
        confirm(vault, expected)


def test_a_big_twin_with_one_other_byte(
    opened: Open, bucket: str, client: "S3Client", until: datetime
) -> None:
    vault = opened(bucket)
    data = bytes(20 << 20)
    stored = vault.put_bytes(KEY, data, lock_until=until)
    hostile = client.put_object(
        Bucket=bucket,
        Key=KEY,
        Body=data[:-1] + b"x",
        ContentMD5=base64_md5(data[:-1] + b"x"),
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )
    assert hostile["VersionId"] != stored.version
    content = read_through(io.BytesIO(data)).chunks
    assert check(vault, Target(KEY, stored.version, len(data), until, content), Level.LOCK).problem == (
        "newer-version"
    )
    with pytest.raises(ObjectConflictError):
        confirm(vault, Expected(KEY, stored.version, len(data), until))


def test_two_machines_at_once(opened: Open, bucket: str, client: "S3Client", until: datetime) -> None:
    """The store takes both; the earliest whose bytes are right counts, whoever asks."""
    one = opened(bucket)
    newest: list[str] = []
    original = one._adopt

    def late(wanted: object) -> object:
        found = original(wanted)  # type: ignore[arg-type]
        if not newest:  # the other machine writes between the look and the upload
            newest.append(opened(bucket).put_bytes(KEY, b"footage", lock_until=until).version)
        return found

    one._adopt = late  # type: ignore[method-assign, assignment]
    stored = one.put_bytes(KEY, b"footage", lock_until=until)
    assert (stored.version, stored.adopted) == (newest[0], True)
    versions = client.list_object_versions(Bucket=bucket, Prefix=KEY)["Versions"]
    assert len(versions) == 2
    assert all(one.head(KEY, row["VersionId"]).lock_until == until for row in versions)


def test_governance_is_not_enough(opened: Open, bucket: str, client: "S3Client", until: datetime) -> None:
    version = client.put_object(
        Bucket=bucket,
        Key=KEY,
        Body=b"footage",
        ContentMD5=base64_md5(b"footage"),
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=until,
    )["VersionId"]
    vault = opened(bucket)
    target = Target(KEY, version, 7, until, Digest.sha256(b"footage"))
    assert check(vault, target, Level.LOCK).problem == "lock-missing"
    with pytest.raises(LockMissingError):
        confirm(vault, Expected(KEY, version, 7, until))
    with pytest.raises(LockMissingError):
        vault.put_bytes(KEY, b"footage", lock_until=until)
    _default(client, bucket, "GOVERNANCE")
    with pytest.raises(VaultWithoutLockError, match="governance"):
        vault.prepare()


def test_a_default_retention_that_lasts_longer_stays(
    opened: Open, bucket: str, client: "S3Client", until: datetime, tmp_path: Path
) -> None:
    _default(client, bucket, "COMPLIANCE")
    vault = opened(bucket)
    vault.prepare()
    source = tmp_path / "clip"
    source.write_bytes(bytes(PART + 1))
    digest = Digest.sha256(bytes(PART + 1))
    stored = vault.put_file(KEY, source, digest=digest, size=PART + 1, lock_until=until)
    assert stored.lock_mode is LockMode.COMPLIANCE
    assert stored.lock_until is not None
    assert stored.lock_until > until + timedelta(hours=20)


def _default(client: "S3Client", bucket: str, mode: Literal["COMPLIANCE", "GOVERNANCE"]) -> None:
    client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": mode, "Days": 1}},
        },
    )


def test_a_bucket_that_cannot_lock(store: Store, opened: Open, until: datetime) -> None:
    plain = store.bucket(store.station, ObjectLockEnabledForBucket=False)
    with pytest.raises(LockMissingError):
        opened(plain).put_bytes(KEY, b"footage", lock_until=until)


def test_a_full_store(store: Store, opened: Open, until: datetime, tmp_path: Path) -> None:
    vault = opened(store.bucket(store.small), store.small)
    data = bytes(PART + 1)
    source = tmp_path / "clip"
    source.write_bytes(data)
    with pytest.raises(VaultFullError):
        vault.put_file(KEY, source, digest=Digest.sha256(data), size=len(data), lock_until=until)
    assert source.stat().st_size == len(data)
    assert vault.versions(KEY) == ()


def test_the_policy_of_the_manual(store: Store, opened: Open, until: datetime, tmp_path: Path) -> None:
    owner, station = store.client(store.owner), store.client(store.station)
    with pytest.raises(VaultRefusedError):
        opened(store.bucket(store.owner)).prepare()
    bucket = guarded_bucket(store)
    until += timedelta(days=2)  # longer than the default retention
    vault = opened(bucket)
    vault.prepare()
    data = bytes(PART + 1)
    source = tmp_path / "clip"
    source.write_bytes(data)
    stored = vault.put_file(KEY, source, digest=Digest.sha256(data), size=len(data), lock_until=until)
    vault.put_bytes(f"{KEY}.json", b"{}", lock_until=until)
    assert vault.open(KEY, stored.version).read(3) == bytes(3)
    later = until + timedelta(seconds=5)
    assert vault.extend_lock(KEY, stored.version, later).lock_until == later
    assert list(vault.keys()) == [KEY, f"{KEY}.json"]
    # The owner reads what the station stored, and may hold and extend it.
    assert owner.head_object(Bucket=bucket, Key=KEY, VersionId=stored.version)["ContentLength"] == len(data)
    owner.put_object_legal_hold(Bucket=bucket, Key=KEY, VersionId=stored.version, LegalHold={"Status": "ON"})
    for refused in (
        lambda: station.delete_object(Bucket=bucket, Key=KEY),
        lambda: station.delete_object(Bucket=bucket, Key=KEY, VersionId=stored.version),
        lambda: station.put_object_legal_hold(
            Bucket=bucket, Key=KEY, VersionId=stored.version, LegalHold={"Status": "OFF"}
        ),
        lambda: station.put_bucket_policy(Bucket=bucket, Policy=json.dumps({})),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_a_listing_of_many_pages_keeps_the_versions_of_a_key_together(
    opened: Open, bucket: str, client: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opened(bucket)
    wanted: dict[str, list[tuple[str, bool]]] = {}
    for key, versions, marker in (("a", 3, False), ("a-b", 1, True), ("a/b", 5, True), ("b", 1, False)):
        for number in range(versions):
            stored = client.put_object(Bucket=bucket, Key=f"listed/{key}", Body=b"x" * number)
            wanted.setdefault(f"listed/{key}", []).insert(0, (stored["VersionId"], False))
        if marker:
            gone = client.delete_object(Bucket=bucket, Key=f"listed/{key}")
            wanted[f"listed/{key}"].insert(0, (gone["VersionId"], True))
    for size in (1, 2, 3, 1000):
        monkeypatch.setattr(Bucket, "_pages", functools.partialmethod(_small_pages, size))
        found = {
            group[0].key: [(item.version, item.marker) for item in group]
            for group in vault.listing("listed/")
        }
        assert list(found) == sorted(wanted)
        assert found == wanted


def _small_pages(bucket: Bucket, size: int, prefix: str) -> Any:
    pages = bucket.client.get_paginator("list_object_versions")
    return pages.paginate(Bucket=bucket.name, Prefix=prefix, PaginationConfig={"PageSize": size})
