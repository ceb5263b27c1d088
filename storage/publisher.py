"""How a local vault gives bytes their name, once.

**The order of a put, and why it survives a crash or a power cut anywhere.**

1. The bytes are on the medium under a name outside the vault's listing: the spool file (its writer synced it,
   and read it back if its inode is given as verified), or a temporary file, synced here. They are *read back
   here, before they get their name*: a rename moves no byte, and bytes found wrong then never lie under a key
   nobody can clear. (Small documents do this after step 3, whose wait for the journal serves them too.)
2. Under the exclusive lock of the object's folder (``flock``; a crash releases it): nothing has the object's
   name.
3. The lock record gets its name, then it and its folder are synced. A power cut in between may leave a torn
   record, but no object beside it: it is worth nothing, and the repeat replaces it. So one wait for the
   journal is enough where sync, rename, sync would be two. A record *with* an object is only replaced by a
   synced one.
4. The object gets its name by rename. Never by link: two names of one inode could not be told apart
   afterwards, and the attribute would freeze both.
5. The attribute is set and the object's folder is synced, both in one journal commit. Then, and not before,
   the put returns.

So: an object without a durable lock record does not occur; an object with its name has all its bytes; and a
put cut off at any step is repeated in full, or finds the object and adopts it. Adoption hashes what is there,
and does steps 3 and 5 again, because the writer may have died between its rename and its sync. Folders are
synced up to the root by the first put of a process that goes through them. The spool's folder is not synced:
should a file system bring the old name back, it is a second name of published bytes, which the caller
deletes.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from config.errors import (
    DigestMismatchError,
    ObjectConflictError,
    VaultUnavailableError,
)
from hashing.reader import SinkError, read_through
from storage.immutable import set_immutable
from storage.layout import split_key
from storage.lock_record import LockRecord, LockRecords
from storage.read_back import compare, empty_cache, read_back, sha256_of
from storage.temps import Temps
from storage.tree import Folder, NotAnObjectError, Tree
from storage.vault import LockMode, ReadBack, StoredVersion

Immutable = Literal["auto", "off", "required"]

_WRITABLE = 0o222
NOT_IMMUTABLE = "the immutable attribute cannot be set here"


class Publisher:
    """Publishes and adopts objects in one tree. OSErrors are ``LocalVault``'s to translate."""

    def __init__(
        self, tree: Tree, temps: Temps, locks: LockRecords, *, url: str, immutable: Immutable
    ) -> None:
        self._tree = tree
        self._temps = temps
        self._locks = locks
        self._url = url
        self._immutable = immutable

    def put_file(
        self,
        wanted: LockRecord,
        source: int,
        path: Path,
        *,
        verified_inode: tuple[int, int] | None,
        keep: bool,
    ) -> StoredVersion:
        """Publish the regular file ``source``, open for reading, named ``path``; or adopt the object."""
        if keep:
            return self._put(wanted, lambda: self._publish_copy(wanted, source, path))
        return self._put(wanted, lambda: self._publish_file(wanted, source, path, verified_inode))

    def put_bytes(self, wanted: LockRecord, data: bytes) -> StoredVersion:
        """Publish ``data``, or adopt the object."""
        return self._put(wanted, lambda: self._publish_bytes(wanted, data))

    def adopt(self, wanted: LockRecord) -> StoredVersion | None:
        """Hash the object that is there and lock it; None if there is none.

        Raises:
            ObjectConflictError: something else is there.

        """
        try:
            with open_object(self._tree, wanted.key) as found:
                return None if found is None else self._adopt(wanted, *found)
        except NotAnObjectError as problem:
            raise ObjectConflictError(
                key=wanted.key, expected=str(wanted.digest), found="no regular file"
            ) from problem

    def _adopt(self, wanted: LockRecord, home: Folder, fd: int) -> StoredVersion:
        how = empty_cache(fd)
        digest = sha256_of(fd)
        if digest != wanted.digest:
            raise ObjectConflictError(key=wanted.key, expected=str(wanted.digest), found=str(digest))
        what = f"{self._url}/{wanted.key}"
        compare(found=(os.fstat(fd).st_size, digest), expected=(wanted.size, wanted.digest), what=what)
        record = self._locks.extend(home, wanted, refuse_shorter=False)
        self._protect(fd)
        home.sync()
        return _described(record, read_back=how, adopted=True)

    def _put(self, wanted: LockRecord, publish: Callable[[], StoredVersion | None]) -> StoredVersion:
        while True:
            stored = self.adopt(wanted) or publish()
            if stored is not None:  # else another writer was quicker: adopt its object
                return stored

    def _publish_file(
        self,
        wanted: LockRecord,
        source: int,
        path: Path,
        verified_inode: tuple[int, int] | None,
    ) -> StoredVersion | None:
        facts = os.fstat(source)
        # A second name, or another owner, could still change the bytes behind the vault's back.
        if facts.st_dev == self._tree.device() and facts.st_nlink == 1 and facts.st_uid == os.geteuid():
            how = ReadBack.MEDIA
            if verified_inode != (facts.st_dev, facts.st_ino) or facts.st_size != wanted.size:
                how = read_back(source, digest=wanted.digest, size=wanted.size, what=str(path))

            def move(folder: Folder, name: str) -> None:
                if not os.path.samestat(path.lstat(), facts):
                    raise DigestMismatchError(
                        what=str(path), algorithm="inode", expected=facts.st_ino, found="another file"
                    )
                os.fchmod(source, 0o444)
                os.rename(path, name, dst_dir_fd=folder.fd)

            try:
                return self._publish(wanted, source, move, lambda: how)
            except OSError as problem:
                if problem.errno != errno.EXDEV:  # two mounts of one file system have one device number
                    raise
        return self._publish_copy(wanted, source, path)

    def _publish_copy(self, wanted: LockRecord, source: int, path: Path) -> StoredVersion | None:
        with self._temps.new() as temp:
            os.lseek(source, 0, os.SEEK_SET)
            try:
                reading = read_through(source, sink_fd=temp.fd)
            except SinkError:
                raise
            except OSError as problem:  # the file cannot be read: that is not the vault's failure
                raise DigestMismatchError(
                    what=str(path),
                    algorithm=str(wanted.digest.algorithm),
                    expected=str(wanted.digest),
                    found=problem.strerror,
                ) from problem
            compare(
                found=(reading.size, reading.sha256), expected=(wanted.size, wanted.digest), what=str(path)
            )
            how = read_back(temp.fd, digest=wanted.digest, size=wanted.size, what=f"{self._url}/{wanted.key}")
            return self._publish(wanted, temp.fd, temp.move, lambda: how)

    def _publish_bytes(self, wanted: LockRecord, data: bytes) -> StoredVersion | None:
        with self._temps.new() as temp:
            temp.write(data)
            what = f"{self._url}/{wanted.key}"

            # Not synced before the lock record is: the record's wait for the journal brings both along.
            def verify() -> ReadBack:
                return read_back(temp.fd, digest=wanted.digest, size=wanted.size, what=what)

            return self._publish(wanted, temp.fd, temp.move, verify)

    def _publish(
        self,
        wanted: LockRecord,
        fd: int,
        move: Callable[[Folder, str], None],
        verify: Callable[[], ReadBack],
    ) -> StoredVersion | None:
        # Steps 1 to 5. None if the name is taken by now.
        parents, name = split_key(wanted.key)
        with self._tree.folder(parents, create=True) as home:
            home.lock()
            if home.has(name):
                return None
            record = self._locks.write_first(wanted)
            how = verify()
            move(home, name)
            self._protect(fd)
            home.sync()
        return _described(record, read_back=how)

    def _protect(self, fd: int) -> None:
        if os.fstat(fd).st_mode & _WRITABLE:
            with suppress(PermissionError):  # immutable already, and so more than read-only
                os.fchmod(fd, 0o444)
        if self._immutable != "off" and not set_immutable(fd) and self._immutable == "required":
            raise VaultUnavailableError(vault=self._url, problem=NOT_IMMUTABLE)


@contextmanager
def open_object(tree: Tree, key: str) -> Iterator[tuple[Folder, int] | None]:
    """Open the folder of an object and its file for reading; None if there is no object.

    Raises:
        NotAnObjectError: something of that name is there, and is no regular file.

    """
    parents, name = split_key(key)
    with ExitStack() as stack:
        found = None
        with suppress(FileNotFoundError):
            home = stack.enter_context(tree.folder(parents))
            fd = home.open_file(name)
            if fd is not None:
                stack.callback(os.close, fd)
                found = home, fd
        yield found


def _described(
    record: LockRecord,
    *,
    read_back: ReadBack | None = None,
    adopted: bool = False,
) -> StoredVersion:
    return StoredVersion(
        key=record.key,
        version=record.version,
        size=record.size,
        lock_mode=LockMode.ADVISORY,
        lock_until=record.until,
        adopted=adopted,
        read_back=read_back,
    )
