"""Merkle tree hashing as in RFC 6962, section 2.1, with SHA-256."""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962, 2.1)."""

HASH_SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data); the prefix keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right) of two 32-byte hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the 32-byte root over ``leaf_hashes``, the results of :func:`leaf_hash` in order.

    Works in one pass with memory for one hash per level. A leaf hash that has not 32 bytes raises
    ValueError.
    """
    # The complete subtrees so far, largest first. Leaf number n (from 1) closes as many of them as n
    # has trailing zero bits: the same carries as in counting.
    subtrees: list[bytes] = []
    for number, leaf in enumerate(leaf_hashes, start=1):
        if len(leaf) != HASH_SIZE:
            raise ValueError(f"a leaf hash has {HASH_SIZE} bytes, not {len(leaf)}")
        node, carry = leaf, number
        while carry % 2 == 0:
            node = node_hash(subtrees.pop(), node)
            carry //= 2
        subtrees.append(node)
    if not subtrees:
        return EMPTY_ROOT
    node = subtrees.pop()
    while subtrees:
        node = node_hash(subtrees.pop(), node)
    return node
