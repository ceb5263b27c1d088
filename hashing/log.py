"""The Merkle log of RFC 6962 and RFC 9162: roots, inclusion proofs and consistency proofs, with SHA-256.

A log is never held in memory. What proofs need lies in a :class:`HashStore`, which keeps every leaf hash and
the root of every complete subtree of 256, 65,536, ... leaves: the hashes of C2SP tlog-tiles. Whatever lies
between is computed on demand, so a proof reads a few tiles of 256 hashes for each level of the log.

Whoever only checks (a witness, a verifier) needs no store: :func:`verify_inclusion` and
:func:`verify_consistency` work on what they are given and believe none of it.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hashing.merkle import EMPTY_ROOT, HASH_SIZE, node_hash
from hashing.merkle import root as merkle_root

TILE_HEIGHT = 8
"""Levels of the tree in one tile (C2SP tlog-tiles, "Merkle Tree")."""
TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile."""
MAX_SIZE = 2**63 - 1
"""Most leaves of a log: what a signed 64-bit integer holds, as other implementations count."""
MAX_PROOF = 64
"""Most hashes of any proof: one for each level of the largest tree, and one more for its start."""


class ProofError(ValueError):
    """A proof that proves nothing, a size or an index out of range, or a store that lacks hashes."""


class HashStore(Protocol):
    """Hashes of complete subtrees at tile levels; what a log is read through."""

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        """Return the hashes of the subtrees ``first`` to ``first + count - 1``: 32 bytes each, in order.

        Subtree *i* at ``level`` *l* has the leaves i * 256^l to (i + 1) * 256^l - 1; at level 0 these are
        the leaf hashes. The log asks for 1 to 256 at once, all of one tile, and only for complete subtrees.
        A store that lacks any of them returns fewer bytes or raises an error of its own.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subtree:
    """The root ``hash`` (32 bytes) of the complete subtree number ``index`` at tile ``level``."""

    level: int
    index: int
    hash: bytes


class MemoryStore:
    """A log's hashes in memory: 32 bytes a leaf. For tests, small logs and verifiers."""

    def __init__(self, leaf_hashes: Sequence[bytes] = ()) -> None:
        self._levels = [bytearray()]
        for leaf in leaf_hashes:
            self.append(leaf)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0]) // HASH_SIZE

    def append(self, leaf_hash: bytes) -> None:
        """Append a leaf by its hash. Raises ProofError if that has not 32 bytes."""
        _check_hash(leaf_hash, "a leaf hash")
        self._levels[0] += leaf_hash
        for subtree in completed(self, self.size - 1, self.size):
            if subtree.level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[subtree.level] += subtree.hash

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        """See :class:`HashStore`; fewer bytes where it has no more."""
        if level >= len(self._levels):
            return b""
        return bytes(self._levels[level][first * HASH_SIZE : (first + count) * HASH_SIZE])


def completed(store: HashStore, old_size: int, new_size: int) -> list[Subtree]:
    """Return the subtrees at tile levels 1 and above that growing from one size to the other completes.

    Lower levels come first, and within a level lower indexes: this is what has to be kept beside the leaf
    hashes. When leaf number n (from 0) was appended, the sizes are n and n + 1. ``store`` must hold the leaf
    hashes of the new size, and of higher levels what was complete at the old one. Raises ProofError for
    sizes out of order or range, and if the store lacks hashes.
    """
    _check_growth(old_size, new_size)
    found: list[Subtree] = []
    below: list[bytes] = []  # the hashes just made at the level below: the store need not have them yet
    level = 1
    while new_size >> (TILE_HEIGHT * level):
        stored = old_size >> (TILE_HEIGHT * (level - 1))
        made: list[bytes] = []
        for index in range(old_size >> (TILE_HEIGHT * level), new_size >> (TILE_HEIGHT * level)):
            first = index * TILE_WIDTH
            if level == 1:
                hashes = _read(store, 0, first, TILE_WIDTH)
            else:
                known = min(max(stored - first, 0), TILE_WIDTH)
                hashes = _read(store, level - 1, first, known) if known else []
                start = first + known - stored
                hashes += below[start : start + TILE_WIDTH - known]
            made.append(merkle_root(hashes))
            found.append(Subtree(level, index, made[-1]))
        below = made
        level += 1
    return found


def tree_root(store: HashStore, size: int) -> bytes:
    """Return the root of the first ``size`` leaves (RFC 9162, 2.1.1): 32 bytes. Raises ProofError."""
    _check_size(size)
    if size == 0:
        return EMPTY_ROOT
    return _Tree(store, size).root(0, size)


def inclusion_proof(store: HashStore, index: int, size: int) -> list[bytes]:
    """Prove that leaf ``index`` (from 0) is in the tree of the first ``size`` leaves (RFC 9162, 2.1.3.1).

    Returns at most 63 hashes of 32 bytes, from the leaf's neighbour up; none if the tree has one leaf.
    Raises ProofError if there is no such leaf, or the store lacks hashes.
    """
    _check_index(index, size)
    tree = _Tree(store, size)
    proof = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            proof.append(tree.root(middle, end))
            end = middle
        else:
            proof.append(tree.root(begin, middle))
            begin = middle
    proof.reverse()
    return proof


def consistency_proof(store: HashStore, old_size: int, new_size: int) -> list[bytes]:
    """Prove that the tree of ``new_size`` leaves begins with that of ``old_size`` (RFC 9162, 2.1.4.1).

    Returns at most 64 hashes of 32 bytes; none if the old tree is empty or the sizes are the same. Raises
    ProofError for sizes out of order or range, and if the store lacks hashes.
    """
    _check_growth(old_size, new_size)
    if old_size in {0, new_size}:
        return []
    tree = _Tree(store, new_size)
    proof = []
    begin, end = 0, new_size
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            proof.append(tree.root(middle, end))
            end = middle
        else:
            proof.append(tree.root(begin, middle))
            begin = middle
    if begin:  # else this subtree is the whole old tree, whose root the verifier has
        proof.append(tree.root(begin, end))
    proof.reverse()
    return proof


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the tree of ``size`` leaves with this ``root`` has ``leaf_hash`` at ``index`` (from 0).

    RFC 9162, 2.1.3.2, with its step numbers. Size and root must come from one checkpoint that was verified:
    a proof binds a leaf to a root, and only the checkpoint binds the root to its size. Raises ProofError.
    """
    _check_hash(leaf_hash, "a leaf hash")
    _check_proof(proof, root)
    _check_index(index, size)  # 1
    sides = _climb(index, size - 1, len(proof))  # 2
    result = leaf_hash  # 3
    for sibling, left in zip(proof, sides, strict=True):  # 4
        result = node_hash(sibling, result) if left else node_hash(result, sibling)
    if not hmac.compare_digest(result, root):  # 5
        raise ProofError("the proof leads to another root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``new_size`` leaves begins with all leaves of the old one, unchanged.

    RFC 9162, 2.1.4.2, with its step numbers. An empty tree is the beginning of every tree; there, and for
    equal sizes, the proof has no hashes. Each size and root must come from one checkpoint that was verified.
    Raises ProofError.
    """
    _check_hash(old_root, "a root")
    _check_proof(proof, new_root)
    _check_growth(old_size, new_size)
    if old_size in {0, new_size}:
        _verify_trivial(old_size, old_root, new_size, new_root, proof)
        return
    if not proof:  # 1
        raise ProofError("the proof has no hashes")
    whole = old_size & (old_size - 1) == 0  # 2: then the old root itself is where the path begins
    start, path = (old_root, proof) if whole else (proof[0], proof[1:])
    node, last = old_size - 1, new_size - 1  # 3
    while node & 1:  # 4
        node, last = node >> 1, last >> 1
    sides = _climb(node, last, len(path))
    old = new = start  # 5
    for sibling, left in zip(path, sides, strict=True):  # 6
        if left:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    if not hmac.compare_digest(old, old_root):  # 7
        raise ProofError("the proof leads to another root of the old tree")
    if not hmac.compare_digest(new, new_root):
        raise ProofError("the proof leads to another root of the new tree")


def _verify_trivial(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check growth out of nothing, and no growth."""
    if proof:
        raise ProofError("there is nothing to prove, and yet the proof has hashes")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and not hmac.compare_digest(root, EMPTY_ROOT):
            raise ProofError("the root of an empty tree is another")
    if old_size == new_size and not hmac.compare_digest(old_root, new_root):
        raise ProofError("two trees of one size have different roots")


def _climb(node: int, last: int, count: int) -> list[bool]:
    """Say for each of ``count`` hashes of a proof whether it stands to the left of what it is hashed with.

    RFC 9162, steps 4 of 2.1.3.2 and 6 of 2.1.4.2, from node number ``node`` of a row whose last one is
    ``last``. Raises ProofError unless exactly so many hashes lead to the root.
    """
    sides = []
    for _ in range(count):
        if last == 0:
            raise ProofError("the proof has more hashes than lead to the root")
        left = bool(node & 1) or node == last
        while left and node and not node & 1:  # rows in which it is the last one, without a neighbour
            node, last = node >> 1, last >> 1
        sides.append(left)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof has fewer hashes than lead to the root")
    return sides


class _Tree:
    """One tree of a store, and the tiles read for it: each is read once, as it is in a tree of this size."""

    def __init__(self, store: HashStore, size: int) -> None:
        self._store = store
        self._size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def root(self, begin: int, end: int) -> bytes:
        """Return the root over the leaves ``begin`` to ``end - 1``: a node of this tree or a smaller one."""
        node = None
        for height, index in reversed(list(_complete(begin, end))):
            left = self._subtree(height, index)
            node = left if node is None else node_hash(left, node)
        if node is None:
            raise ProofError("no leaves, no root")
        return node

    def _subtree(self, height: int, index: int) -> bytes:
        """Return the root of a complete subtree of 2^height leaves; it lies within one tile."""
        level, inner = divmod(height, TILE_HEIGHT)
        tile, first = divmod(index << inner, TILE_WIDTH)
        return merkle_root(self._tile(level, tile)[first : first + (1 << inner)])

    def _tile(self, level: int, tile: int) -> list[bytes]:
        found = self._tiles.get((level, tile))
        if found is None:
            first = tile * TILE_WIDTH
            width = min(TILE_WIDTH, (self._size >> (TILE_HEIGHT * level)) - first)
            found = self._tiles[level, tile] = _read(self._store, level, first, width)
        return found


def _read(store: HashStore, level: int, first: int, count: int) -> list[bytes]:
    data = store.subtrees(level, first, count)
    if len(data) != count * HASH_SIZE:
        raise ProofError(f"the store gave {len(data)} bytes for {count} hashes from {first} at level {level}")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def _complete(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut leaves into complete subtrees, the largest first: (height, index at that height)."""
    while begin < end:
        height = (end - begin).bit_length() - 1
        yield height, begin >> height
        begin += 1 << height


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than ``size`` (which is 2 or more)."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != HASH_SIZE:
        raise ProofError(f"{what} has {HASH_SIZE} bytes, not {len(value)}")


def _check_proof(proof: Sequence[bytes], root: bytes) -> None:
    _check_hash(root, "a root")
    if len(proof) > MAX_PROOF:
        raise ProofError(f"a proof has at most {MAX_PROOF} hashes, not {len(proof)}")
    for item in proof:
        _check_hash(item, "a hash of a proof")


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise ProofError(f"a log has 0 to {MAX_SIZE} leaves, not {size}")


def _check_index(index: int, size: int) -> None:
    _check_size(size)
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")


def _check_growth(old_size: int, new_size: int) -> None:
    _check_size(old_size)
    _check_size(new_size)
    if old_size > new_size:
        raise ProofError(f"a tree of {old_size} leaves does not grow to {new_size}")
