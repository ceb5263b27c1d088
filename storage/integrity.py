"""Check that a vault still holds, unchanged and locked, what was stored in it.

1. The newest version of the key is the one that was confirmed, or a twin of it; another one, or a delete
   marker, on top is a finding (``storage.twins``).
2. Its size and its lock are what the register holds; the lock may only be longer.
3. ``sample``: some random chunks are read and compared with their digests.
4. ``full``: every chunk is read and compared.

The chunk digests come from the register; that they are the sealed ones follows from their Merkle
root, which the caller compares with the manifest.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import BufferedReader

from config.errors import ObjectMissingError
from hashing.chunks import ChunkDigests
from hashing.digest import Digest
from storage import twins
from storage.confirm import binding, locked
from storage.reading import chunk_of, chunks_of, read_all
from storage.vault import StoredVersion, Vault

SAMPLED_CHUNKS = 4


class Level(StrEnum):
    """How deep to look."""

    LOCK = "lock"
    SAMPLE = "sample"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Target:
    """One stored version as the register holds it.

    ``content`` is the chunk digests of an original, or the SHA-256 of a document, which is read whole.
    """

    key: str
    version: str
    size: int
    lock_until: datetime | None
    content: ChunkDigests | Digest
    held: bool = False
    """A legal hold was put on it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: None is well. ``bytes_read`` counts what was hashed."""

    problem: str | None
    bytes_read: int


def check(vault: Vault, target: Target, level: Level, *, rng: random.Random | None = None) -> Finding:
    """Check one version; problems are short stable words, never an exception.

    VaultUnavailableError passes through: a store that does not answer says nothing about its objects.
    """
    try:
        problem = _lock_problem(vault, target)
        if problem is not None or level is Level.LOCK:
            return Finding(problem, 0)
        with vault.open(target.key, target.version) as stored:
            if isinstance(target.content, Digest):
                return _document(stored, target.content)
            if level is Level.FULL:
                return _full(stored, target.content)
            return _sample(stored, target.size, target.content, rng or random.SystemRandom())
    except ObjectMissingError:
        return Finding("missing", 0)
    except OSError as error:
        return Finding(f"unreadable: {error.strerror}", 0)


def _lock_problem(vault: Vault, target: Target) -> str | None:
    """Return what is wrong with presence, size or lock of a version."""
    versions = vault.versions(target.key)
    if not versions:
        return "missing"
    found = versions[0]
    if found.version != target.version:
        problem = twins.on_top(vault, target.key, target.version, _same_as(target.content))
        if problem is not None:
            return problem
        found = vault.head(target.key, target.version)
    return _version_problem(found, target)


def _version_problem(found: StoredVersion, target: Target) -> str | None:
    """Return what is wrong with size, lock or hold of the version that was stored."""
    if found.size != target.size:
        return "size"
    if not binding(found):
        return "lock-missing"
    if target.lock_until is not None and not locked(found, target.lock_until):
        return "lock-shortened"
    return "hold-missing" if target.held and not found.held else None


def _same_as(content: ChunkDigests | Digest) -> twins.Same:
    def same(stored: BufferedReader) -> bool:
        if isinstance(content, Digest):
            return read_all(stored).sha256.matches(content)
        return chunks_of(stored)[1].leaves == content.leaves

    return same


def _document(stored: BufferedReader, expected: Digest) -> Finding:
    found = read_all(stored)
    return Finding(None if found.sha256.matches(expected) else "digest", found.size)


def _full(stored: BufferedReader, expected: ChunkDigests) -> Finding:
    size, found = chunks_of(stored)
    return Finding(None if found.leaves == expected.leaves else "digest", size)


def _sample(stored: BufferedReader, size: int, expected: ChunkDigests, rng: random.Random) -> Finding:
    picked: Sequence[int] = range(expected.count)
    if expected.count > SAMPLED_CHUNKS:
        picked = rng.sample(picked, SAMPLED_CHUNKS)
    done = 0
    for index in picked:
        done += min(expected.size, size - index * expected.size)
        if chunk_of(stored, index) != expected.leaf(index):
            return Finding("digest", done)
    return Finding(None, done)
