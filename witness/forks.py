"""What a checkpoint that is refused shows: a fork of its log, or only that something does not fit.

Two checkpoints that one log has signed are a fork if no tree can have both roots. Of one size that is seen at
once. Of two sizes it is shown by a proof that leads to the new root and out of another old one: every hash
in it is then a hash of the new tree, and so is the old root that they give. A proof that leads nowhere shows
nothing: anybody can send one along with a checkpoint that was honestly signed.
"""

from collections.abc import Sequence
from enum import StrEnum

from hashing.log import ProofError, verify_consistency
from hashing.merkle import node_hash


class Kind(StrEnum):
    """What the two checkpoints of a piece of evidence show."""

    SAME_SIZE = "fork-same-size"
    """A fork: one size, two roots."""
    GROWTH = "fork-growth"
    """A fork: the greater tree does not begin with the smaller one, and the proof shows it."""
    SUSPECTED = "suspected"
    """Perhaps a fork, perhaps a proof that somebody got wrong."""

    @property
    def proven(self) -> bool:
        """Whether the log itself must have signed what contradicts itself."""
        return self is not Kind.SUSPECTED


def judge_growth(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> Kind | None:
    """Say what a proof shows about growth from the known checkpoint to the offered one; None: all is well.

    Where ``old_size`` is a power of two, the proof does not hold what the old root is made of; a fork there
    is at most suspected.
    """
    try:
        verify_consistency(old_size, old_root, new_size, new_root, proof)
    except ProofError:
        pass
    else:
        return None
    other = prefix_root(old_size, new_size, proof)
    if other is None or other == old_root:
        return Kind.SUSPECTED
    try:
        verify_consistency(old_size, other, new_size, new_root, proof)
    except ProofError:
        return Kind.SUSPECTED
    return Kind.GROWTH


def prefix_root(old_size: int, new_size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root of the old tree that a proof is made for, if it is one of a tree at all.

    The left half of RFC 9162, 2.1.4.2; whether the proof leads to the new root is not looked at. None where
    the proof begins with the old root itself (sizes that are a power of two) or has no hashes.
    """
    if not proof or old_size & (old_size - 1) == 0:
        return None
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    root = proof[0]
    for sibling in proof[1:]:
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    return root
