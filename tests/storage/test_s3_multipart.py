"""Uploads in parts, on a real store: cut off, killed, wrong, forgotten."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import storage.s3.uploads
from config.errors import (
    DigestMismatchError,
    SealdockError,
    SpoolFullError,
    SpoolUnavailableError,
    VaultUnavailableError,
)
from hashing.digest import Digest
from storage.reading import chunk_of, chunks_of, read_all
from storage.s3.multipart import MIB, PART, part_size
from storage.s3.vault import S3Vault
from storage.vault import LockMode
from tests.support.station import until as wait_until
from tests.support.store import Store
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "clips/sha256/ab/clip"
SIZE = 6 * PART + 12_345


@pytest.fixture
def bucket(store: Store) -> str:
    return store.bucket(store.station)


@pytest.fixture
def client(store: Store) -> "S3Client":
    return store.client(store.station)


@pytest.fixture
def until() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=60)


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(MIB) * (SIZE // MIB) + os.urandom(SIZE % MIB)


@pytest.fixture
def source(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "clip"
    path.write_bytes(content)
    return path


@pytest.fixture
def wire(store: Store) -> Iterator[Wire]:
    with Wire(store.endpoint) as wire:
        yield wire


@pytest.fixture
def opened(store: Store, bucket: str, tmp_path: Path) -> Iterator[Callable[..., S3Vault]]:
    """Open the vault as a new process of one station would."""
    vaults: list[S3Vault] = []
    credentials = store.station.file(tmp_path)

    def one(endpoint: str | None = None) -> S3Vault:
        url = store.url(bucket, "one", endpoint)
        vaults.append(S3Vault(url, state=tmp_path / "uploads", credentials=credentials))
        return vaults[-1]

    yield one
    for vault in vaults:
        vault.close()


def put(vault: S3Vault, source: Path, content: bytes, until: datetime) -> Any:
    digest = Digest.sha256(content)
    return vault.put_file(KEY, source, digest=digest, size=len(content), lock_until=until)


def uploads(client: "S3Client", bucket: str) -> list[str]:
    return [row["UploadId"] for row in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def parts(client: "S3Client", bucket: str, upload: str) -> dict[int, datetime]:
    found = client.list_parts(Bucket=bucket, Key=f"one/{KEY}", UploadId=upload)
    return {row["PartNumber"]: row["LastModified"] for row in found.get("Parts", [])}


def test_parts_are_as_large_as_their_number_asks() -> None:
    assert part_size(PART + 1) == PART
    assert part_size(10_000 * PART) == PART
    assert part_size(10_000 * PART + 1) == PART + MIB
    assert part_size(5 << 40) * 10_000 >= 5 << 40


def test_what_went_up_in_parts_comes_down(
    opened: Callable[..., S3Vault], source: Path, content: bytes, until: datetime, tmp_path: Path
) -> None:
    stored = put(opened(), source, content, until)
    assert (stored.size, stored.lock_mode) == (SIZE, LockMode.COMPLIANCE)
    assert list((tmp_path / "uploads").glob("*.json")) == []
    vault = opened()
    with vault.open(KEY, stored.version) as file:
        reading = read_all(file)
    assert reading.sha256 == Digest.sha256(content)
    with vault.open(KEY, stored.version) as file:
        assert chunks_of(file) == (SIZE, reading.chunks)
    with vault.open(KEY, stored.version) as file:
        for index in (reading.chunks.count - 1, 0, 3, 4):
            assert chunk_of(file, index) == reading.chunks.leaf(index)


def test_killed_in_the_middle_it_goes_on(
    store: Store,
    bucket: str,
    client: "S3Client",
    opened: Callable[..., S3Vault],
    source: Path,
    content: bytes,
    until: datetime,
    tmp_path: Path,
) -> None:
    worker = subprocess.Popen(
        [
            sys.executable, Path(__file__).with_name("s3_worker.py"), store.url(bucket, "one"),
            tmp_path / "uploads", store.station.file(tmp_path), source, KEY, until.isoformat(),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    try:
        (upload,) = wait_until(lambda: uploads(client, bucket))
        wait_until(lambda: parts(client, bucket, upload))
    finally:
        worker.kill()
        worker.wait()
    assert client.list_object_versions(Bucket=bucket).get("Versions") is None
    assert uploads(client, bucket) == [upload]
    before = parts(client, bucket, upload)
    vault = opened()
    kept: dict[int, datetime] = {}
    complete = vault._bucket.client.complete_multipart_upload

    def seen(**arguments: Any) -> Any:
        kept.update(parts(client, bucket, upload))
        return complete(**arguments)

    vault._bucket.client.complete_multipart_upload = seen  # type: ignore[method-assign]
    assert put(vault, source, content, until).size == SIZE
    assert before.items() <= kept.items()  # not sent again
    assert uploads(client, bucket) == []
    assert len(client.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_after_a_broken_line_it_goes_on(
    bucket: str,
    client: "S3Client",
    opened: Callable[..., S3Vault],
    source: Path,
    content: bytes,
    until: datetime,
    wire: Wire,
) -> None:
    vault = opened(wire.endpoint)
    wire.cut(after=3 * PART)
    with pytest.raises(VaultUnavailableError):
        put(vault, source, content, until)
    assert vault._multipart._room.acquire(blocking=False)  # no part is left behind
    vault._multipart._room.release()
    (upload,) = uploads(client, bucket)
    wire.mend()
    assert put(vault, source, content, until).size == SIZE
    assert uploads(client, bucket) == []
    assert upload


def test_reading_goes_on_after_a_broken_line(
    opened: Callable[..., S3Vault], source: Path, content: bytes, until: datetime, wire: Wire
) -> None:
    stored = put(opened(), source, content, until)
    vault = opened(wire.endpoint)
    with vault.open(KEY, stored.version) as file:
        start = file.read(PART)
        wire.cut()
        wire.mend()
        assert start + file.read() == content
        file.seek(0)
        wire.cut()
        with pytest.raises(VaultUnavailableError):
            file.read(1)


def test_a_file_that_changed_is_not_published(
    bucket: str,
    client: "S3Client",
    opened: Callable[..., S3Vault],
    source: Path,
    content: bytes,
    until: datetime,
) -> None:
    with source.open("r+b") as file:
        file.seek(5 * PART)
        file.write(b"changed")
    with pytest.raises(DigestMismatchError):
        put(opened(), source, content, until)
    assert client.list_object_versions(Bucket=bucket).get("Versions") is None
    assert uploads(client, bucket) == []


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, SpoolFullError), (errno.EROFS, SpoolUnavailableError)]
)
def test_an_upload_that_cannot_be_remembered_is_ended(
    bucket: str,
    client: "S3Client",
    opened: Callable[..., S3Vault],
    source: Path,
    content: bytes,
    until: datetime,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    told: type[SealdockError],
) -> None:
    begun: list[list[str]] = []

    def full(*_: object, **__: object) -> None:
        begun.append(uploads(client, bucket))
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("hashing.durable.replace", full)
        with pytest.raises(told):
            put(opened(), source, content, until)
    assert [len(found) for found in begun] == [1]
    assert uploads(client, bucket) == []
    assert put(opened(), source, content, until).size == SIZE


def test_what_nobody_finished_is_ended(
    bucket: str,
    client: "S3Client",
    opened: Callable[..., S3Vault],
    source: Path,
    content: bytes,
    until: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key in ("one/other", "two/other"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
    put(opened(), source, content, until)
    assert len(uploads(client, bucket)) == 2  # nobody waits for a week here
    monkeypatch.setattr(storage.s3.uploads, "STALE", timedelta(0))
    source.write_bytes(content[:-1])
    vault = opened()
    digest = Digest.sha256(content[:-1])
    vault.put_file(f"{KEY}-2", source, digest=digest, size=SIZE - 1, lock_until=until)
    left = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [row["Key"] for row in left] == ["two/other"]  # another vault's


def test_uploads_are_listed_and_discarded(
    bucket: str,
    client: "S3Client",
    opened: Callable[..., S3Vault],
    source: Path,
    content: bytes,
    until: datetime,
    wire: Wire,
) -> None:
    client.create_multipart_upload(Bucket=bucket, Key="one/other")
    client.create_multipart_upload(Bucket=bucket, Key="two/other")
    wire.cut(after=PART * 2)
    with pytest.raises(VaultUnavailableError):
        put(opened(wire.endpoint), source, content, until)
    vault = opened()
    found = {item.key: item for item in vault.unfinished()}
    assert {key: item.ours for key, item in found.items()} == {KEY: True, "other": False}
    assert abs(datetime.now(UTC) - found[KEY].begun_at) < timedelta(hours=1)
    assert vault.discard(found[KEY])
    assert vault.discard(found[KEY])
    assert [item.key for item in vault.unfinished()] == ["other"]
    assert not put(opened(), source, content, until).adopted  # begun anew
