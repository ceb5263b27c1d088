"""Reading written bytes back and comparing them with what they should be."""

import hashlib
import io
import os

from config.errors import DigestMismatchError
from hashing.digest import Algorithm, Digest
from hashing.pagecache import drop_cache
from storage.vault import ReadBack


def read_back(fd: int, *, digest: Digest, size: int, what: str) -> ReadBack:
    """Write the open file out, read it from the medium and compare; ``what`` names it in the error.

    Raises:
        DigestMismatchError: it does not hold ``size`` bytes of the SHA-256 ``digest``.

    """
    how = empty_cache(fd)
    compare(found=(os.fstat(fd).st_size, sha256_of(fd)), expected=(size, digest), what=what)
    return how


def empty_cache(fd: int) -> ReadBack:
    """Write the open file out and drop it from the page cache; tell where the next read comes from."""
    os.fsync(fd)  # what is not on the medium yet cannot be dropped
    return ReadBack.MEDIA if drop_cache(fd) else ReadBack.CACHE


def sha256_of(fd: int) -> Digest:
    """Hash the open file from its start; leaves it at its end."""
    os.lseek(fd, 0, os.SEEK_SET)
    with io.FileIO(fd, closefd=False) as file:
        return Digest(Algorithm.SHA256, hashlib.file_digest(file, "sha256").digest())


def compare(*, found: tuple[int, Digest], expected: tuple[int, Digest], what: str) -> None:
    """Compare the size (bytes) and digest that were found with those expected.

    Raises:
        DigestMismatchError: they differ.

    """
    size, digest = expected
    if found[0] != size:
        raise DigestMismatchError(what=what, algorithm="size", expected=size, found=found[0])
    if not found[1].matches(digest):
        raise DigestMismatchError(
            what=what, algorithm=str(digest.algorithm), expected=str(digest), found=str(found[1])
        )
