"""What a bucket says of the versions in it, and the few requests that change something."""

import base64
import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from config.errors import (
    LockMissingError,
    ObjectMissingError,
    VaultUnavailableError,
    VaultWithoutLockError,
)
from config.messages import Phrase, mark
from storage.s3.faults import AbsentError, RejectedError, translated
from storage.vault import LockMode, StoredVersion

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ListObjectVersionsOutputTypeDef

    from storage.s3.address import Address

_Row = tuple[str, Any, int, bool]
_MODES = {"COMPLIANCE": LockMode.COMPLIANCE, "GOVERNANCE": LockMode.GOVERNANCE}
_PARTIAL = 206
MOST_VERSIONS = 10_000
"""Of one key. Nobody writes so many; a store that lists more has lost its senses, and a list must end."""
OWNER: Literal["bucket-owner-full-control"] = "bucket-owner-full-control"
"""An object belongs to who uploads it: without this the bucket's owner could not read or extend it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version, or a delete marker, as a listing has it."""

    version: str
    size: int
    marker: bool = False


class Bucket:
    """One bucket, seen by keys below the vault's prefix. Errors are those of ``faults.translated``."""

    def __init__(self, client: "S3Client", address: "Address") -> None:
        self.client = client
        self.name = address.bucket
        self.prefix = address.prefix
        self.url = address.url

    def full(self, key: str) -> str:
        """Return the key in the bucket."""
        return self.prefix + key

    def check(self) -> None:
        """Raise VaultWithoutLockError unless the bucket keeps versions and can lock them for good.

        A default retention of the weaker kind would be in the way: what it locks first, nobody without the
        right to lift it can lock better.
        """
        with translated(self.url):
            versioning = self.client.get_bucket_versioning(Bucket=self.name).get("Status")
        if versioning != "Enabled":
            raise VaultWithoutLockError(vault=self.url, problem=Phrase(mark("versioning is off")))
        try:
            with translated(self.url):
                found = self.client.get_object_lock_configuration(Bucket=self.name)
        except RejectedError as error:
            raise VaultWithoutLockError(vault=self.url, problem=Phrase(mark("object lock is off"))) from error
        lock = found["ObjectLockConfiguration"]
        if lock.get("ObjectLockEnabled") != "Enabled":
            raise VaultWithoutLockError(vault=self.url, problem=Phrase(mark("object lock is off")))
        if lock.get("Rule", {}).get("DefaultRetention", {}).get("Mode") == "GOVERNANCE":
            problem = Phrase(mark("its default retention is governance, which can be lifted"))
            raise VaultWithoutLockError(vault=self.url, problem=problem)

    def entries(self, key: str) -> list[Entry]:
        """List the versions and delete markers of a key, newest first."""
        full = self.full(key)
        found = []
        # A listing begins with the key itself: no other key that starts with it sorts before.
        for page in self._pages(full):
            rows = [
                *((row, row.get("Size", 0), False) for row in page.get("Versions", [])),
                *((row, 0, True) for row in page.get("DeleteMarkers", [])),
            ]
            ours = [row for row in rows if row[0].get("Key") == full]
            found += ours
            if len(found) > MOST_VERSIONS:
                problem = f"it lists more than {MOST_VERSIONS} versions of one key"
                raise VaultUnavailableError(vault=self.url, problem=problem)
            if len(ours) < len(rows):
                break
        found.sort(key=lambda row: (row[0]["IsLatest"], row[0]["LastModified"]), reverse=True)
        return [Entry(row["VersionId"], size, marker) for row, size, marker in found]

    def listing(self, prefix: str) -> "Iterator[tuple[str, list[Entry]]]":
        """List the versions and markers of every key, newest first; keys ascending, a page in memory."""
        held: list[_Row] = []
        for page in self._pages(self.full(prefix)):
            held += [(row["Key"], row, row.get("Size", 0), False) for row in page.get("Versions", [])]
            held += [(row["Key"], row, 0, True) for row in page.get("DeleteMarkers", [])]
            # The last key of a page may go on in the next one.
            last = max((row[0] for row in held), default="")
            yield from self._grouped(row for row in held if row[0] != last)
            held = [row for row in held if row[0] == last]
        yield from self._grouped(held)

    def _grouped(self, rows: "Iterable[_Row]") -> "Iterator[tuple[str, list[Entry]]]":
        for key, group in itertools.groupby(sorted(rows, key=itemgetter(0)), itemgetter(0)):
            newest = sorted(group, key=lambda row: (row[1]["IsLatest"], row[1]["LastModified"]), reverse=True)
            yield (
                key.removeprefix(self.prefix),
                [Entry(row["VersionId"], size, marker) for _, row, size, marker in newest],
            )

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """List keys that have a version, whether a delete marker lies on top or not; ascending, each once."""
        last = None
        start = self.full(after) if after else ""
        for page in self._pages(self.full(prefix), start):
            for row in page.get("Versions", []):
                if row["Key"] != last and row["Key"] > start:  # some stores begin with the mark itself
                    last = row["Key"]
                    yield last.removeprefix(self.prefix)

    def everything(self, prefix: str) -> Iterator[tuple[str, Entry]]:
        """List the versions and delete markers of all keys that begin so, each with its key."""
        for page in self._pages(self.full(prefix)):
            for row in page.get("Versions", []):
                yield row["Key"].removeprefix(self.prefix), Entry(row["VersionId"], row.get("Size", 0))
            for marker in page.get("DeleteMarkers", []):
                yield marker["Key"].removeprefix(self.prefix), Entry(marker["VersionId"], 0, marker=True)

    def head(self, key: str, version: str) -> "HeadObjectOutputTypeDef":
        """Ask for the headers of exactly this version. Raises ObjectMissingError."""
        try:
            with translated(self.url):
                return self.client.head_object(Bucket=self.name, Key=self.full(key), VersionId=version)
        except (AbsentError, RejectedError) as error:
            # An answer to HEAD has no body: only another question tells a lost bucket from a lost object.
            self.entries(key)
            raise ObjectMissingError(key=key) from error

    def describe(self, key: str, version: str) -> StoredVersion:
        """Describe exactly this version as the store does now. Raises ObjectMissingError."""
        return self.described(key, version)[0]

    def described(self, key: str, version: str) -> tuple[StoredVersion, str | None]:
        """Describe a version as :meth:`describe` does, with its ETag; None where that is no checksum."""
        found = self.head(key, version)
        checksum = found.get("ServerSideEncryption", "AES256") == "AES256"  # other encryption makes another
        mode = _MODES.get(found.get("ObjectLockMode", ""), LockMode.NONE)
        until = None if mode is LockMode.NONE else found["ObjectLockRetainUntilDate"].astimezone(UTC)
        stored = StoredVersion(
            key=key,
            version=version,
            size=found["ContentLength"],
            lock_mode=mode,
            lock_until=until,
            held=found.get("ObjectLockLegalHoldStatus") == "ON",
        )
        return stored, bare(found["ETag"]) if checksum else None

    def put(self, key: str, data: bytes, until: datetime) -> str | None:
        """Upload a small object in one request; return its version if the store said it."""
        with translated(self.url):
            answer = self.client.put_object(
                Bucket=self.name,
                Key=self.full(key),
                Body=data,
                ContentMD5=base64_md5(data),
                ACL=OWNER,
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        return answer.get("VersionId")

    def lock(self, key: str, version: str, until: datetime) -> None:
        """Lock exactly this version. Raises LockMissingError if the bucket cannot."""
        try:
            with translated(self.url):
                self.client.put_object_retention(
                    Bucket=self.name,
                    Key=self.full(key),
                    VersionId=version,
                    Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
                )
        except AbsentError as error:
            raise ObjectMissingError(key=key) from error
        except RejectedError as error:
            raise LockMissingError(key=key, expected=until.isoformat(), found=str(error)) from error

    def hold(self, key: str, version: str, *, held: bool) -> None:
        """Put a legal hold on exactly this version, or lift it. Raises ObjectMissingError."""
        try:
            with translated(self.url):
                self.client.put_object_legal_hold(
                    Bucket=self.name,
                    Key=self.full(key),
                    VersionId=version,
                    LegalHold={"Status": "ON" if held else "OFF"},
                )
        except AbsentError as error:
            raise ObjectMissingError(key=key) from error

    def body(self, key: str, version: str, start: int, end: int) -> "StreamingBody":
        """Ask for the bytes from ``start`` to ``end`` (not included) of exactly this version.

        Raises VaultUnavailableError for an answer that is not exactly them: it would be read in vain.
        """
        answer = self.client.get_object(
            Bucket=self.name, Key=self.full(key), VersionId=version, Range=f"bytes={start}-{end - 1}"
        )
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        if answer.get("ContentLength") != end - start or (start and status != _PARTIAL):
            answer["Body"].close()
            raise VaultUnavailableError(vault=self.url, problem="it gives other bytes than were asked for")
        return answer["Body"]

    def _pages(self, prefix: str, after: str = "") -> "Iterator[ListObjectVersionsOutputTypeDef]":
        start: dict[str, Any] = {"KeyMarker": after} if after else {}  # not in the stubs, but in the API
        with translated(self.url):
            pages = self.client.get_paginator("list_object_versions")
            yield from pages.paginate(Bucket=self.name, Prefix=prefix, **start)


def base64_md5(data: bytes) -> str:
    """Return the MD5 of bytes as the header Content-MD5 has it; it is no proof, but finds what wires do."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def bare(etag: str) -> str:
    """Return an ETag without its quotes."""
    return etag.strip('"')


def whole_seconds(moment: datetime) -> datetime:
    """Round a time up to whole seconds: stores keep no more, and a lock must not end early."""
    return datetime.fromtimestamp(math.ceil(moment.timestamp()), UTC)
