"""What every vault promises, whatever keeps its bytes.

A vault holds *versions* of objects. It publishes a version whole or not at all, never overwrites one, and has
no way to delete: no method here shortens or removes, so no mistake above can. Each version carries a lock
date before which nobody is meant to remove it; how binding that is, ``LockMode`` says.

Repeating any call after a crash, a timeout or a lost answer converges: an object that is already there with
the same bytes is *adopted* after its bytes were hashed, never taken on trust.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from hashing.digest import Digest


class LockMode(StrEnum):
    """How binding a lock date is."""

    COMPLIANCE = "compliance"
    """No credential of the store can delete the version or shorten its date (S3 Object Lock)."""
    GOVERNANCE = "governance"
    """Those with a special permission can."""
    ADVISORY = "advisory"
    """A record beside the object; sealdock honours it, an administrator of the machine need not."""
    NONE = "none"
    """There is no lock."""


class ReadBack(StrEnum):
    """Where the bytes came from that were compared with the digest after they had been written."""

    MEDIA = "media"
    """From the medium: the page cache had been emptied of them first, and that was checked."""
    CACHE = "cache"
    """Perhaps from memory: the cache could not be emptied (tmpfs, some network file systems)."""
    STORE = "store"
    """From a store over the network, all of them; what it read them from it does not say."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of one object, as the vault itself describes it. Never what was asked for."""

    key: str
    version: str
    """Names the version within its key; opaque, never empty."""
    size: int
    """Bytes."""
    lock_mode: LockMode
    lock_until: datetime | None
    """UTC; None exactly if ``lock_mode`` is NONE."""
    held: bool = False
    """A legal hold lies on it: whatever its date, it must not go before that is lifted."""
    adopted: bool = False
    """The bytes were there before this put: it hashed them and wrote nothing but, perhaps, a later lock."""
    read_back: ReadBack | None = None
    """How a put read the bytes back; None where nothing was read: head, versions, extend_lock, hold, and a
    put to a store whose own checksum was compared instead."""
    marker: bool = False
    """No bytes but a delete marker of an S3 store: it hides older versions from who names none of them."""

    def __post_init__(self) -> None:
        """Refuse descriptions that contradict themselves."""
        if not self.version or self.size < 0:
            raise ValueError("a stored version has an id and a size")
        if (self.lock_mode is LockMode.NONE) != (self.lock_until is None):
            raise ValueError("a lock has a date, and a date is a lock's")
        if self.lock_until is not None:
            as_utc(self.lock_until)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing says of a version or a delete marker: cheap to get by the thousand, without its lock."""

    key: str
    version: str
    size: int
    """Bytes; 0 for a marker."""
    marker: bool = False


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Bytes that are no object yet: an upload in parts in a store, a temporary file in a folder."""

    id: str
    """Names it within the vault; opaque."""
    key: str | None
    """What it was to become, where that is known."""
    begun_at: datetime
    """UTC, by the clock of whoever keeps it."""
    ours: bool
    """This home began it."""


class Vault(Protocol):
    """Write-once object store. Safe for use by threads and processes at once.

    Every method raises VaultKeyInvalidError for a key that ``layout.check_key`` refuses, and
    VaultUnavailableError when the store cannot be reached or does not answer properly: waiting and asking
    again is right then. Times are aware (ValueError otherwise) and come back in UTC. A store may keep a lock
    date in whole seconds and rounds up, never down; dates in the past are refused by some stores, so do not
    ask for them.
    """

    @property
    def url(self) -> str:
        """Where the vault is, without secrets."""

    def prepare(self) -> None:
        """Make what a new vault needs, or check that it is there; harmless to repeat.

        Raises VaultWithoutLockError for a store that cannot lock.
        """

    def close(self) -> None:
        """Give connections and threads back."""

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        digest: Digest,
        size: int,
        lock_until: datetime,
        verified_inode: tuple[int, int] | None = None,
        keep: bool = False,
    ) -> StoredVersion:
        """Take over a finished file: publish it under ``key``, locked, and read it back.

        A vault that was opened to confirm by checksum compares the checksum that the store made of what it
        received instead, and says so: ``read_back`` is None.

        ``digest`` (SHA-256) and ``size`` (bytes) are what the file must hold. After the call ``path`` is gone
        or may be deleted by the caller, who does not write to it any more once it has called. With ``keep``
        it stays as it is, for another vault to take.
        ``verified_inode`` is the ``(st_dev, st_ino)`` of a file whose bytes the caller has already read back
        *from the medium* and found to have ``digest``: a vault that publishes that very inode need not read
        it again.

        If the key exists, its newest version is hashed: the same bytes are adopted and their lock is extended
        if ``lock_until`` is later; the file at ``path`` then stays. A repeat finds ``path`` gone and the
        object there, and adopts it.

        Raises:
            DigestMismatchError: the file does not hold what was said, cannot be read, or does not read back
            as it was written.
                Nothing was published.
            ObjectConflictError: other bytes are at ``key``. Nothing was changed.
            VaultFullError: no room. Nothing was published; the file at ``path`` is untouched.
            FileNotFoundError: neither the file nor the object is there.
            OSError: the file cannot be opened.

        """

    def put_bytes(self, key: str, data: bytes, *, lock_until: datetime) -> StoredVersion:
        """Publish a small document under ``key``, locked, and read it back. Else as ``put_file``."""

    def head(self, key: str, version: str) -> StoredVersion:
        """Describe exactly this version as it is now: size, lock mode and date. Does not check its bytes.

        Raises:
            ObjectMissingError: no such version.

        """

    def versions(self, key: str) -> tuple[StoredVersion, ...]:
        """Describe every version and delete marker at ``key``, newest first; empty when there is none."""

    def open(self, key: str, version: str) -> BufferedReader:
        """Open exactly this version for reading from its start. The caller hashes what it reads.

        It can be sought in. Only a vault on a file system gives a file with a descriptor: ``storage.reading``
        reads either kind the quickest way.

        Raises:
            ObjectMissingError: no such version.

        """

    def extend_lock(self, key: str, version: str, until: datetime) -> StoredVersion:
        """Set the lock of exactly this version to ``until``; the date it has already is a no-op.

        Raises:
            LockShorteningError: ``until`` is before the present date. Nothing was changed.
            ObjectMissingError: no such version.

        """

    def hold(self, key: str, version: str, *, held: bool) -> StoredVersion:
        """Put a legal hold on exactly this version or lift it; what it is already is a no-op.

        The lock's date stays. What is returned was read back.

        Raises:
            LockMissingError: it does not read back as it was set.
            ObjectMissingError: no such version.

        """

    def keys(self, prefix: str = "", after: str = "") -> Iterator[str]:
        """List the keys that start with ``prefix``, ascending, each once. Lazy: a vault holds millions.

        With ``after`` only those that come after that key.
        """

    def listing(self, prefix: str = "") -> Iterator[tuple[Listed, ...]]:
        """List what is at each key that starts with ``prefix``: keys ascending, versions newest first. Lazy.

        Keys that have delete markers only are listed, too.
        """

    def unfinished(self) -> Iterator[Unfinished]:
        """List what was begun and is not being worked on by a process of this machine, as far as is known."""

    def discard(self, item: Unfinished) -> bool:
        """Throw away what was begun, unless somebody works on it; tell whether it is gone.

        No object is ever touched: what is thrown away has no name in the vault yet.
        """


def as_utc(moment: datetime) -> datetime:
    """Return an aware time in UTC. ValueError when it is naive: a lock date without a zone is a guess."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"a lock date needs a time zone: {moment.isoformat()}")
    return moment.astimezone(UTC)
