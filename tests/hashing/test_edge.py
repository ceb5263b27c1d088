import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.edge import Edge
from hashing.log import MemoryStore, ProofError, completed, tree_root
from hashing.merkle import EMPTY_ROOT, leaf_hash

LEAVES = [leaf_hash(str(number).encode()) for number in range(70_000)]
SIZES = [0, 1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000, 69_999]


def test_the_root_at_every_size_is_the_trees() -> None:
    edge, store = Edge(), MemoryStore()
    assert edge.root() == EMPTY_ROOT
    for number, leaf in enumerate(LEAVES, start=1):
        done = edge.append(leaf)
        store.append(leaf)
        assert done == completed(store, number - 1, number)
        if number < 600 or number in SIZES:
            assert edge.root() == tree_root(store, number)
    assert edge.size == len(LEAVES)


@pytest.mark.parametrize("size", SIZES)
def test_it_goes_on_from_a_store(size: int) -> None:
    store = MemoryStore(LEAVES)
    edge = Edge.of(store, size)
    assert edge.root() == tree_root(store, size)
    for leaf in LEAVES[size : size + 300]:
        edge.append(leaf)
    assert edge.root() == tree_root(store, edge.size)


@given(st.integers(0, 3000), st.integers(0, 600))
def test_anywhere(size: int, more: int) -> None:
    store = MemoryStore(LEAVES[: size + more])
    edge = Edge.of(store, size)
    for leaf in LEAVES[size : size + more]:
        edge.append(leaf)
    assert edge.root() == tree_root(store, size + more)


def test_a_store_that_lacks_hashes() -> None:
    with pytest.raises(ProofError, match="lacks"):
        Edge.of(MemoryStore(LEAVES[:10]), 11)
    with pytest.raises(ProofError, match="leaves"):
        Edge.of(MemoryStore(), -1)
