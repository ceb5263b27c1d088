import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.merkle import EMPTY_ROOT, leaf_hash, node_hash, root
from tests.support.ledger import LEAVES, ROOTS


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word: split at the largest power of two below the number of leaves."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = by_definition(leaves[:split]), by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("count", range(9))
def test_published_roots(count: int) -> None:
    assert root(map(leaf_hash, LEAVES[:count])).hex() == ROOTS[count]


def test_the_empty_root() -> None:
    assert EMPTY_ROOT.hex() == ROOTS[0]


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_one_pass_equals_the_definition(leaves: list[bytes]) -> None:
    assert root(map(leaf_hash, leaves)) == by_definition(leaves)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_node_is_no_leaf(left: bytes, right: bytes) -> None:
    assert node_hash(left, right) != leaf_hash(left + right)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_leaf_hash_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        root([bytes(32), bytes(length)])
