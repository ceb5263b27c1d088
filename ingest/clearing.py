"""Clear one clip from a recorder: the only code that ever writes to a card. Off by default.

A file goes only after the stored copy was read back whole, and after the file on the card was
read a second time and gave the very same digest.
"""

import errno
import os

from config.errors import DigestMismatchError, SourceUnreadableError
from hashing.digest import Digest
from hashing.reader import read_through
from ingest.names import readable
from ingest.source import FolderSource, changed


def clear(source: FolderSource, path: bytes, expected: Digest, *, volume: str) -> None:
    """Unlink ``path`` if its bytes still have the digest ``expected``.

    Raises DigestMismatchError if the card gives other bytes than it did before, and
    SourceUnreadableError if the file cannot be read or unlinked; the file stays then.
    """
    source.check(volume)
    try:
        with source.open(path) as fd:
            before = os.fstat(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            found = read_through(fd).sha256
            if not found.matches(expected):
                raise DigestMismatchError(
                    what=readable(path), algorithm="sha256", expected=expected.hex, found=found.hex
                )
            with source.folder(path) as (parent, name):
                _unlink_same(before, parent, name)
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise SourceUnreadableError(path=readable(path), problem=problem) from error


def _unlink_same(before: os.stat_result, parent: int, name: bytes) -> None:
    """Unlink ``name`` only if it still is the file that was opened, as it was before it was read."""
    named = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if (named.st_dev, named.st_ino) != (before.st_dev, before.st_ino):
        raise FileNotFoundError(errno.ENOENT, "another file took its place")
    if changed(before, named):  # a recorder may go on writing behind the read
        raise OSError(errno.ESTALE, "the file changed while it was read")
    os.unlink(name, dir_fd=parent)
    os.fsync(parent)
