"""A vault on a file system: for one station, for demonstrations, and as the spool's neighbour.

Objects lie at ``<root>/<key>``, mode 0444 and with the immutable attribute where the system allows it; the
record of an object's lock at ``<root>/.locks/<key>.json``; unfinished files in ``<root>/.tmp``. The lock is
advisory.

**One version per key.** A file system keeps one file under one name, and an object is never overwritten, so a
second version cannot come to be. The version id is the SHA-256 of the published bytes: it names exactly those
bytes, is the same after a restore from a backup, and a repeat of a put computes it again instead of having to
remember it.

How bytes get their name, and why that survives a power cut: ``storage.publisher``.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG
from typing import get_args
from urllib.parse import unquote, urlsplit

from config.errors import (
    InvalidSettingError,
    LockMissingError,
    ObjectMissingError,
    VaultFullError,
    VaultUnavailableError,
)
from hashing.digest import Algorithm, Digest
from hashing.durable import make_dirs
from storage.immutable import set_immutable
from storage.layout import check_key, is_key
from storage.lock_record import LockRecord, LockRecords, version_of
from storage.publisher import NOT_IMMUTABLE, Immutable, Publisher, open_object
from storage.read_back import empty_cache, sha256_of
from storage.temps import TEMPS, Temps
from storage.tree import LOCKS, Folder, NotAnObjectError, Tree
from storage.vault import Listed, LockMode, ReadBack, StoredVersion, Unfinished, as_utc

# Waiting does not help these, room does. EFBIG: the file system (or the user's limit) has a largest file.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalVault:
    """A vault in a folder; see the module's docstring and ``storage.vault.Vault``."""

    def __init__(self, root: Path, *, immutable: Immutable = "auto") -> None:
        """Describe the vault; nothing is read or written yet.

        ``immutable``: ``auto`` sets the attribute and tolerates that it cannot, ``required`` fails then (with
        VaultUnavailableError, at every put), ``off`` never sets it.
        """
        if immutable not in get_args(Immutable):
            raise ValueError(f"immutable is one of {', '.join(get_args(Immutable))}, not {immutable!r}")
        self.root = root.absolute()
        self.url = self.root.as_uri()
        self._immutable = immutable
        self._tree = Tree(self.root)
        self._temps = temps = Temps(self._tree)
        self._locks = LockRecords(self._tree, temps)
        self._publisher = Publisher(self._tree, temps, self._locks, url=self.url, immutable=immutable)

    @classmethod
    def create(cls, root: Path, *, immutable: Immutable = "auto") -> "LocalVault":
        """Make the folders of a vault, durably; harmless where they exist.

        Nothing else ever makes the root: a put into a mount point whose disk is not there must fail, not fill
        the disk below.
        """
        vault = cls(root, immutable=immutable)
        with vault._errors():
            make_dirs(vault.root / TEMPS)
            make_dirs(vault.root / LOCKS)  # last: it is the mark of a vault
        return vault

    @classmethod
    def from_url(cls, url: str, *, immutable: Immutable = "auto") -> "LocalVault":
        """Describe the vault at ``file:///absolute/path`` (RFC 8089); InvalidSettingError for other URLs."""
        parts = urlsplit(url)
        path = unquote(parts.path)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not path.startswith("/"):
            raise InvalidSettingError(key="vault.url", problem="a local vault is file:///absolute/path")
        if parts.query or parts.fragment or "\0" in path:
            raise InvalidSettingError(key="vault.url", problem="write ? as %3F and # as %23 in a path")
        return cls(Path(path), immutable=immutable)

    def prepare(self) -> None:
        """Make the folders, as ``create`` does; see ``Vault.prepare``."""
        self.create(self.root)

    def close(self) -> None:
        """Do nothing: no folder stays open."""

    def trial(self) -> tuple[ReadBack, bool]:
        """Try with a temporary file where bytes are read back from, and whether it can be made immutable."""
        with self._errors(), self._temps.new() as temp:
            temp.write(b"preflight")
            how = empty_cache(temp.fd)
            immutable = self._immutable != "off" and set_immutable(temp.fd)
            if immutable:
                set_immutable(temp.fd, immutable=False)
            elif self._immutable == "required":
                raise VaultUnavailableError(vault=self.url, problem=NOT_IMMUTABLE)
            return how, immutable

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
        """Take over a finished file; see ``Vault.put_file``.

        It is moved when it is on the vault's file system, ours alone and has no other name, and need not be
        kept; else it is copied. ValueError when ``path`` is no regular file or ``digest`` no SHA-256.
        """
        wanted = _wanted(key, digest, size, lock_until)
        try:
            source = os.open(path, _READ_SOURCE)
        except FileNotFoundError:
            with self._errors():
                adopted = self._publisher.adopt(wanted)
            if adopted is None:
                raise
            return adopted
        try:
            if not S_ISREG(os.fstat(source).st_mode):
                raise ValueError(f"not a regular file: {path}")
            with self._errors():
                return self._publisher.put_file(
                    wanted, source, path, verified_inode=verified_inode, keep=keep
                )
        finally:
            os.close(source)

    def put_bytes(self, key: str, data: bytes, *, lock_until: datetime) -> StoredVersion:
        """Publish a small document; see ``Vault.put_bytes``."""
        wanted = _wanted(key, Digest.sha256(data), len(data), lock_until)
        with self._errors():
            return self._publisher.put_bytes(wanted, data)

    def head(self, key: str, version: str) -> StoredVersion:
        """Describe a version; see ``Vault.head``.

        An object whose lock record is missing or damaged is read whole, because nothing else says which
        version it is, and is reported with ``LockMode.NONE``.
        """
        described = self.versions(key)
        if not described or described[0].version != version:
            raise ObjectMissingError(key=key)
        return described[0]

    def versions(self, key: str) -> tuple[StoredVersion, ...]:
        """Describe the one version at ``key``, if there is one; see ``Vault.versions``."""
        check_key(key)
        with self._errors(), self._object(key) as found:
            if found is None:
                return ()
            _, fd = found
            record = self._locks.read(key)
            return (
                StoredVersion(
                    key=key,
                    version=record.version if record else version_of(sha256_of(fd)),
                    size=os.fstat(fd).st_size,
                    lock_mode=LockMode.ADVISORY if record else LockMode.NONE,
                    lock_until=record.until if record else None,
                    held=record is not None and record.held,
                ),
            )

    def open(self, key: str, version: str) -> BufferedReader:
        """Open a version; see ``Vault.open``.

        Without a lock record nothing but the bytes says which version they are: the caller's hash decides.
        """
        check_key(key)
        with self._errors(), self._object(key) as found:
            record = self._locks.read(key)
            if found is None or (record is not None and record.version != version):
                raise ObjectMissingError(key=key)
            return os.fdopen(os.dup(found[1]), "rb")

    def extend_lock(self, key: str, version: str, until: datetime) -> StoredVersion:
        """Extend a lock; see ``Vault.extend_lock``. A missing or damaged record is written anew."""
        moment = as_utc(until)
        present = self.head(key, version)
        digest = Digest.parse(f"sha256:{version}")
        with self._errors(), self._object(key) as found:
            if found is None:
                raise ObjectMissingError(key=key)
            # The size that was stored, should the file be another one by now: that is for others to find.
            recorded = self._locks.read(key)
            size = recorded.size if recorded else present.size
            wanted = LockRecord(key=key, digest=digest, size=size, until=moment)
            record = self._locks.extend(found[0], wanted, refuse_shorter=True)
        return replace(present, lock_mode=LockMode.ADVISORY, lock_until=record.until)

    def hold(self, key: str, version: str, *, held: bool) -> StoredVersion:
        """Put a hold on an object or lift it; see ``Vault.hold``. It is advisory, as locks are."""
        present = self.head(key, version)
        if present.lock_until is None:
            raise LockMissingError(key=key, expected="a lock record", found="none")
        digest = Digest.parse(f"sha256:{version}")
        with self._errors(), self._object(key) as found:
            if found is None:
                raise ObjectMissingError(key=key)
            recorded = self._locks.read(key)
            size = recorded.size if recorded else present.size
            wanted = LockRecord(key=key, digest=digest, size=size, until=present.lock_until, held=held)
            self._locks.hold(found[0], wanted)
        stored = self.head(key, version)
        if stored.held is not held:
            raise LockMissingError(key=key, expected=f"held: {held}", found=f"held: {stored.held}")
        return stored

    def keys(self, prefix: str = "", after: str = "") -> Iterator[str]:
        """List keys; see ``Vault.keys``. Files whose names are no keys are not ours and are left out."""
        with self._errors():
            yield from (key for key in self._tree.files(prefix) if key > after and is_key(key))

    def listing(self, prefix: str = "") -> Iterator[tuple[Listed, ...]]:
        """List versions; see ``Vault.listing``. An object without a lock record is read whole, as by head."""
        for key in self.keys(prefix):
            found = self.versions(key)
            if found:  # not gone meanwhile
                yield tuple(Listed(key, item.version, item.size) for item in found)

    def unfinished(self) -> Iterator[Unfinished]:
        """List temporary files that nobody holds open; see ``Vault.unfinished``."""
        with self._errors():
            for name, since in self._temps.abandoned():
                yield Unfinished(name, None, datetime.fromtimestamp(since, UTC), ours=True)

    def discard(self, item: Unfinished) -> bool:
        """Remove a temporary file; see ``Vault.discard``."""
        with self._errors():
            return self._temps.remove(item.id)

    @contextmanager
    def _object(self, key: str) -> Iterator[tuple[Folder, int] | None]:
        # Something that is no regular file is no object either: a link in its place must not be read through.
        try:
            with open_object(self._tree, key) as found:
                yield found
        except NotAnObjectError as problem:
            raise ObjectMissingError(key=key) from problem

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            kind = VaultFullError if problem.errno in _FULL else VaultUnavailableError
            where = f": {problem.filename}" if problem.filename is not None else ""
            raise kind(vault=self.url, problem=f"{problem.strerror or problem}{where}") from problem


def _wanted(key: str, digest: Digest, size: int, lock_until: datetime) -> LockRecord:
    if digest.algorithm is not Algorithm.SHA256:
        raise ValueError(f"a vault compares SHA-256 digests, not {digest.algorithm}")
    return LockRecord(key=check_key(key), digest=digest, size=size, until=as_utc(lock_until))
