"""The right edge of a growing Merkle tree: all that its next leaf and its root depend on.

At most 255 hashes for each tile level, so a log of any length is walked in a few kilobytes.
"""

from collections.abc import Iterator

from hashing.log import MAX_SIZE, TILE_HEIGHT, TILE_WIDTH, HashStore, ProofError, Subtree
from hashing.merkle import EMPTY_ROOT, HASH_SIZE, node_hash
from hashing.merkle import root as merkle_root


class Edge:
    """Leaves go in one by one; the root (RFC 9162, 2.1.1) is there at every size."""

    def __init__(self) -> None:
        self.size = 0
        """Number of leaves."""
        self._levels: list[list[bytes]] = [[]]

    @classmethod
    def of(cls, store: HashStore, size: int) -> "Edge":
        """Return the edge of the first ``size`` leaves of a store. Raises ProofError if it lacks hashes."""
        if not 0 <= size <= MAX_SIZE:
            raise ProofError(f"a log has 0 to {MAX_SIZE} leaves")
        edge = cls()
        edge.size = size
        edge._levels = []
        level, count = 0, size
        while count or not edge._levels:
            whole, part = divmod(count, TILE_WIDTH)
            data = store.subtrees(level, whole * TILE_WIDTH, part) if part else b""
            if len(data) != part * HASH_SIZE:
                raise ProofError(f"the store lacks hashes of level {level}")
            edge._levels.append([data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)])
            level, count = level + 1, whole
        return edge

    def append(self, leaf_hash: bytes) -> list[Subtree]:
        """Append a leaf by its hash; return the subtrees at tile levels 1 and above that are complete now."""
        self.size += 1
        levels, level = self._levels, 0
        levels[0].append(leaf_hash)
        done: list[Subtree] = []
        while len(levels[level]) == TILE_WIDTH:
            found = merkle_root(levels[level])
            levels[level] = []
            level += 1
            if level == len(levels):
                levels.append([])
            levels[level].append(found)
            done.append(Subtree(level, (self.size >> (TILE_HEIGHT * level)) - 1, found))
        return done

    def root(self) -> bytes:
        """Return the root of the leaves so far: 32 bytes."""
        subtrees = [item for level in reversed(self._levels) for item in _whole(level)]
        if not subtrees:
            return EMPTY_ROOT
        found = subtrees.pop()
        while subtrees:
            found = node_hash(subtrees.pop(), found)
        return found


def _whole(row: list[bytes]) -> Iterator[bytes]:
    """Yield the roots of the complete subtrees over a row of equal ones, the largest first."""
    at = 0
    while at < len(row):
        count = 1 << ((len(row) - at).bit_length() - 1)
        yield merkle_root(row[at : at + count])
        at += count
