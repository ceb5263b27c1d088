"""Chunk digests: SHA-256 of each 8 MiB of a file, and the Merkle root that stands for them.

With them a part of a large clip can be checked without reading the rest, and a change can be placed.
"""

from dataclasses import dataclass

from hashing.digest import Algorithm, Digest
from hashing.merkle import HASH_SIZE, leaf_hash, root

CHUNK_SIZE = 8 * 1024 * 1024
"""Bytes in every chunk but the last, which may be shorter; an empty file has no chunk."""


@dataclass(frozen=True, slots=True)
class ChunkDigests:
    """The SHA-256 digests of a file's chunks of ``size`` bytes each, 32 bytes a chunk, in order."""

    size: int
    leaves: bytes

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError("a chunk has at least one byte")
        if len(self.leaves) % HASH_SIZE:
            raise ValueError("chunk digests are 32 bytes each")

    @property
    def count(self) -> int:
        """The number of chunks."""
        return len(self.leaves) // HASH_SIZE

    @property
    def root(self) -> Digest:
        """The RFC 6962 root; the data of each leaf is the 32-byte digest of its chunk."""
        return Digest(Algorithm.SHA256, root(leaf_hash(self.leaf(index)) for index in range(self.count)))

    def leaf(self, index: int) -> bytes:
        """Return the digest of chunk ``index``, counted from 0; IndexError if there is none."""
        if not 0 <= index < self.count:
            raise IndexError(f"chunk {index} of {self.count}")
        return self.leaves[index * HASH_SIZE : (index + 1) * HASH_SIZE]
