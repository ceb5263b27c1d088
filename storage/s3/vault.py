"""A vault in a bucket of an S3 store with Object Lock (AWS S3, Ceph, MinIO): compliance locks.

**Nothing is taken from what was asked for.** After an upload the lock is set on the exact version, that
version's headers are asked for, and its bytes are read back whole and hashed (or, where that is what the
settings say, the checksum that the store made of them is compared). Then, and not before, a put returns.

**Look before, look after.** Some stores ignore "only if there is no such object". So a put lists the key
first (and adopts what is there), writers on one machine take turns, and it lists the key again afterwards: of
two versions that two machines made at the same moment, the earliest whose bytes are right counts, for both of
them. The other stays locked, a twin that harms nothing (``storage.twins``). Versions are never removed here.

A put that was cut off is repeated: it goes on with its upload, or finds the object, hashes and locks it.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

from config.errors import (
    DigestMismatchError,
    LockMissingError,
    LockShorteningError,
    ObjectConflictError,
    VaultRefusedError,
    VaultUnavailableError,
)
from hashing.digest import Algorithm, Digest
from storage.layout import check_key, is_key
from storage.read_back import compare
from storage.s3.address import Address
from storage.s3.bucket import Bucket, whole_seconds
from storage.s3.client import Credentials, open_client
from storage.s3.faults import AbsentError, RejectedError
from storage.s3.multipart import PART, Multipart
from storage.s3.stream import VersionStream
from storage.s3.turns import Turns
from storage.s3.uploads import Uploads, end, listing
from storage.vault import Listed, LockMode, ReadBack, StoredVersion, Unfinished, as_utc

_READ_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a put is to bring about; ``until`` in whole seconds."""

    key: str
    digest: Digest
    size: int
    until: datetime


class S3Vault:
    """A vault in a bucket; see the module's docstring and ``storage.vault.Vault``."""

    def __init__(self, url: str, *, state: Path, credentials: Credentials = None, full: bool = True) -> None:
        """Describe the vault; nothing is sent yet. ``state`` is a folder for what has to survive a crash.

        ``full``: what was uploaded is read back whole; else the store's checksum of it is compared, where it
        has one. What is adopted is read in any case.

        Raises InvalidSettingError for a URL that is none of a bucket.
        """
        self._address = Address.parse(url)
        self._credentials = credentials
        self._state = state
        self._full = full
        self._turns = Turns(state)
        self.url = url

    @cached_property
    def _bucket(self) -> Bucket:
        return Bucket(open_client(self._address, self._credentials), self._address)

    @cached_property
    def _multipart(self) -> Multipart:
        return Multipart(self._bucket, Uploads(self._state))

    @property
    def bucket(self) -> Bucket:
        """The bucket, for who tries what it can do."""
        return self._bucket

    def prepare(self) -> None:
        """Check that the bucket is there, keeps versions and can lock them; see ``Vault.prepare``."""
        with self._errors():
            self._bucket.check()

    def close(self) -> None:
        """Close connections and end threads."""
        if "_multipart" in vars(self):
            self._multipart.close()
        if "_bucket" in vars(self):
            self._bucket.client.close()

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        digest: Digest,
        size: int,
        lock_until: datetime,
        verified_inode: tuple[int, int] | None = None,  # noqa: ARG002 - the store is read back in any case
        keep: bool = False,  # noqa: ARG002 - it stays in any case
    ) -> StoredVersion:
        """Upload a finished file; see ``Vault.put_file``. ValueError if it is no regular file."""
        wanted = _wanted(key, digest, size, lock_until)
        try:
            source = os.open(path, _READ_SOURCE)
        except FileNotFoundError:
            with self._turn(key):
                adopted = self._adopt(wanted)
            if adopted is None:
                raise
            return adopted
        try:
            if not S_ISREG(os.fstat(source).st_mode):
                raise ValueError(f"not a regular file: {path}")
            with self._turn(key):
                return self._adopt(wanted) or self._put(wanted, lambda: self._upload(wanted, source, path))
        finally:
            os.close(source)

    def put_bytes(self, key: str, data: bytes, *, lock_until: datetime) -> StoredVersion:
        """Upload a small document; see ``Vault.put_bytes``."""
        wanted = _wanted(key, Digest.sha256(data), len(data), lock_until)
        with self._turn(key):
            return self._adopt(wanted) or self._put(wanted, lambda: self._upload_bytes(wanted, data))

    def head(self, key: str, version: str) -> StoredVersion:
        """Describe a version; see ``Vault.head``."""
        check_key(key)
        with self._errors():
            return self._bucket.describe(key, version)

    def versions(self, key: str) -> tuple[StoredVersion, ...]:
        """Describe the versions of a key; see ``Vault.versions``."""
        check_key(key)
        with self._errors():
            return tuple(
                StoredVersion(key, entry.version, 0, LockMode.NONE, None, marker=True)
                if entry.marker
                else self._bucket.describe(key, entry.version)
                for entry in self._bucket.entries(key)
            )

    def open(self, key: str, version: str) -> io.BufferedReader:
        """Open a version; see ``Vault.open``. What is read comes over the network, in flat memory."""
        check_key(key)
        with self._errors():
            size = self._bucket.head(key, version)["ContentLength"]
        return self._stream(key, version, size)

    def extend_lock(self, key: str, version: str, until: datetime) -> StoredVersion:
        """Extend a lock; see ``Vault.extend_lock``. The store's own answer is what is returned."""
        moment = whole_seconds(as_utc(until))
        check_key(key)
        with self._turn(key):
            return self._lock(self._bucket.describe(key, version), moment)

    def hold(self, key: str, version: str, *, held: bool) -> StoredVersion:
        """Put a legal hold on a version or lift it; see ``Vault.hold``. Returns what the store says."""
        check_key(key)
        with self._turn(key):
            present = self._bucket.describe(key, version)
            if present.held is held:
                return present
            self._bucket.hold(key, version, held=held)
            found = self._bucket.describe(key, version)
        if found.held is not held:
            raise LockMissingError(key=key, expected=f"held: {held}", found=f"held: {found.held}")
        return found

    def keys(self, prefix: str = "", after: str = "") -> Iterator[str]:
        """List keys; see ``Vault.keys``. What is hidden by a delete marker is listed, too."""
        with self._errors():
            yield from filter(is_key, self._bucket.keys(prefix, after))

    def listing(self, prefix: str = "") -> Iterator[tuple[Listed, ...]]:
        """List versions; see ``Vault.listing``. A thousand of them cost one request."""
        with self._errors():
            for key, entries in self._bucket.listing(prefix):
                if is_key(key):
                    yield tuple(Listed(key, item.version, item.size, item.marker) for item in entries)

    def unfinished(self) -> Iterator[Unfinished]:
        """List uploads in parts; see ``Vault.unfinished``. Those of other homes are listed, too."""
        known = Uploads(self._state)
        with self._errors():
            for full, upload, begun_at in listing(self._bucket):
                key = full.removeprefix(self._bucket.prefix)
                yield Unfinished(upload, key, begun_at, ours=known.is_ours(key, upload))

    def discard(self, item: Unfinished) -> bool:
        """End an upload; see ``Vault.discard``. Who works on it on this machine is waited for."""
        if item.key is None:
            return False
        with self._turn(item.key):
            end(self._bucket, self._bucket.full(item.key), item.id)
            known = Uploads(self._state)
            if known.is_ours(item.key, item.id):
                known.forget(item.key)
        return True

    def _upload(self, wanted: _Wanted, source: int, path: Path) -> tuple[str | None, str]:
        """Upload a file; return its version, if the store said it, and the ETag it must have."""
        size = os.fstat(source).st_size
        if size != wanted.size:
            raise DigestMismatchError(what=str(path), algorithm="size", expected=wanted.size, found=size)
        if size > PART:
            sent = self._multipart.send(
                wanted.key, source, digest=wanted.digest, size=size, until=wanted.until, what=str(path)
            )
            return sent.version, sent.etag
        try:
            with io.FileIO(source, closefd=False) as file:
                data = file.read(PART + 1)
        except OSError as error:
            raise DigestMismatchError(
                what=str(path), algorithm="sha256", expected=str(wanted.digest), found=error.strerror
            ) from error
        found = (len(data), Digest.sha256(data))
        compare(found=found, expected=(wanted.size, wanted.digest), what=str(path))
        return self._upload_bytes(wanted, data)

    def _upload_bytes(self, wanted: _Wanted, data: bytes) -> tuple[str | None, str]:
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        try:
            return self._bucket.put(wanted.key, data, wanted.until), etag
        except RejectedError as error:  # the bucket cannot lock
            raise LockMissingError(
                key=wanted.key, expected=wanted.until.isoformat(), found=str(error)
            ) from error

    def _put(self, wanted: _Wanted, upload: Callable[[], tuple[str | None, str]]) -> StoredVersion:
        """Upload, lock and read back; what another machine stored at the same moment is adopted instead."""
        version, etag = upload()
        if version is None:  # a repeated request: the first one's answer was lost
            version = self._newest(wanted.key)
        present, checksum = self._bucket.described(wanted.key, version)
        stored = self._lock_at_least(wanted, present)
        what = f"{self.url}: {wanted.key}"
        if stored.size != wanted.size:
            raise DigestMismatchError(what=what, algorithm="size", expected=wanted.size, found=stored.size)
        if checksum not in (None, etag):
            raise DigestMismatchError(what=what, algorithm="etag", expected=etag, found=checksum)
        if self._full or checksum is None:
            found = (stored.size, self._hash(wanted.key, version, stored.size))
            compare(found=found, expected=(wanted.size, wanted.digest), what=what)
            stored = replace(stored, read_back=ReadBack.STORE)
        if [entry for entry in self._bucket.entries(wanted.key) if not entry.marker][1:]:
            return self._adopt(wanted) or stored
        return stored

    def _newest(self, key: str) -> str:
        for entry in self._bucket.entries(key):
            if not entry.marker:
                return entry.version
        raise VaultUnavailableError(vault=self.url, problem="the upload was ended in the store")

    def _adopt(self, wanted: _Wanted) -> StoredVersion | None:
        """Hash what is there, earliest first, and adopt the first with the right bytes; None without any.

        All that have them are locked: one that was cut off before it was must not lie open on top.
        Raises ObjectConflictError if no version has them.
        """
        found, adopted = None, None
        for entry in reversed(self._bucket.entries(wanted.key)):
            if entry.marker:
                continue
            found = self._hash(wanted.key, entry.version, entry.size)
            if found == wanted.digest and entry.size == wanted.size:
                present = self._bucket.describe(wanted.key, entry.version)
                if adopted is None:
                    locked = self._lock_at_least(wanted, present)
                    adopted = replace(locked, adopted=True, read_back=ReadBack.STORE)
                else:
                    with suppress(VaultRefusedError, LockMissingError):  # another's, and no harm either way
                        self._lock_at_least(wanted, present)
        if adopted is None and found is not None:
            raise ObjectConflictError(key=wanted.key, expected=str(wanted.digest), found=str(found))
        return adopted

    def _lock_at_least(self, wanted: _Wanted, present: StoredVersion) -> StoredVersion:
        """Lock a version as is wanted, or leave it the later date it has: perhaps the bucket's own."""
        until = wanted.until if present.lock_until is None else max(present.lock_until, wanted.until)
        return self._lock(present, until)

    def _lock(self, present: StoredVersion, until: datetime) -> StoredVersion:
        """Lock a version of which the store just said what it is, and return what it says then."""
        key, version = present.key, present.version
        if present.lock_until is not None and until < present.lock_until:
            raise LockShorteningError(key=key, current=present.lock_until, asked=until)
        if (present.lock_mode, present.lock_until) == (LockMode.COMPLIANCE, until):
            return present
        try:
            self._bucket.lock(key, version, until)
        except VaultRefusedError:
            present = self._bucket.describe(key, version)
            if present.lock_mode is LockMode.GOVERNANCE:
                # Only who may lift such a lock may make it a better one: asking again is of no use.
                _check_lock(present, until)
            if present.lock_until is not None and until < present.lock_until:
                # Another machine was quicker with a later date.
                raise LockShorteningError(key=key, current=present.lock_until, asked=until) from None
            raise
        found = self._bucket.describe(key, version)
        _check_lock(found, until)
        return found

    def _hash(self, key: str, version: str, size: int) -> Digest:
        with self._stream(key, version, size) as file:
            return Digest(Algorithm.SHA256, hashlib.file_digest(file, "sha256").digest())

    def _stream(self, key: str, version: str, size: int) -> io.BufferedReader:
        return io.BufferedReader(VersionStream(self._bucket, key, version, size))

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        with self._turns.of(key), self._errors():
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Let nothing out that only this package knows."""
        try:
            yield
        except RejectedError as error:
            raise VaultRefusedError(vault=self.url, problem=str(error)) from error
        except AbsentError as error:
            raise VaultUnavailableError(vault=self.url, problem=str(error)) from error


def _wanted(key: str, digest: Digest, size: int, lock_until: datetime) -> _Wanted:
    if digest.algorithm is not Algorithm.SHA256:
        raise ValueError(f"a vault compares SHA-256 digests, not {digest.algorithm}")
    return _Wanted(check_key(key), digest, size, whole_seconds(as_utc(lock_until)))


def _check_lock(found: StoredVersion, until: datetime) -> None:
    if found.lock_mode is not LockMode.COMPLIANCE or found.lock_until is None or found.lock_until < until:
        raise LockMissingError(
            key=found.key,
            expected=f"compliance {until.isoformat()}",
            found=f"{found.lock_mode} {found.lock_until}",
        )
