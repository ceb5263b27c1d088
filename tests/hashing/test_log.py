"""Proofs of the log, against the published vectors, the RFC's own definitions and every kind of damage."""

import itertools
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashing import merkle
from hashing.log import (
    MAX_SIZE,
    HashStore,
    MemoryStore,
    ProofError,
    completed,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from hashing.merkle import EMPTY_ROOT, leaf_hash, node_hash
from tests.support.ledger import CONSISTENCY, INCLUSION, LEAVES, ROOTS

LARGEST = 70_000  # two levels of full tiles, and a third begun: the example of tlog-tiles


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(8, "big")) for number in range(count)]


@cache
def grown() -> MemoryStore:
    return MemoryStore(leaves(LARGEST))


def small(count: int) -> MemoryStore:
    return MemoryStore(leaves(count))


def by_definition(part: Sequence[bytes]) -> bytes:
    if len(part) < 2:
        return part[0] if part else EMPTY_ROOT
    split = 1 << (len(part) - 1).bit_length() - 1
    return node_hash(by_definition(part[:split]), by_definition(part[split:]))


def path(index: int, part: Sequence[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1, word for word."""
    if len(part) < 2:
        return []
    split = 1 << (len(part) - 1).bit_length() - 1
    if index < split:
        return [*path(index, part[:split]), by_definition(part[split:])]
    return [*path(index - split, part[split:]), by_definition(part[:split])]


def subproof(old: int, part: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 9162, 2.1.4.1, word for word."""
    if old == len(part):
        return [] if whole else [by_definition(part)]
    split = 1 << (len(part) - 1).bit_length() - 1
    if old <= split:
        return [*subproof(old, part[:split], whole=whole), by_definition(part[split:])]
    return [*subproof(old - split, part[split:], whole=False), by_definition(part[:split])]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_published_inclusion_proofs(index: int, size: int) -> None:
    store = MemoryStore([leaf_hash(leaf) for leaf in LEAVES])
    proof = inclusion_proof(store, index, size)
    assert [item.hex() for item in proof] == INCLUSION[index, size]
    verify_inclusion(leaf_hash(LEAVES[index]), index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_published_consistency_proofs(old: int, new: int) -> None:
    store = MemoryStore([leaf_hash(leaf) for leaf in LEAVES])
    proof = consistency_proof(store, old, new)
    assert [item.hex() for item in proof] == CONSISTENCY[old, new]
    verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof)


def test_every_proof_of_small_trees_is_the_definitions() -> None:
    hashes = leaves(40)
    store = MemoryStore(hashes)
    for size in range(41):
        root = by_definition(hashes[:size])
        assert tree_root(store, size) == root == merkle.root(hashes[:size])
        for index in range(size):
            proof = inclusion_proof(store, index, size)
            assert proof == path(index, hashes[:size])
            verify_inclusion(hashes[index], index, size, proof, root)
        for old in range(1, size + 1):
            proof = consistency_proof(store, old, size)
            assert proof == subproof(old, hashes[:size])
            verify_consistency(old, by_definition(hashes[:old]), size, root, proof)
        verify_consistency(0, EMPTY_ROOT, size, root, consistency_proof(store, 0, size))


@settings(deadline=None, max_examples=15)
@given(st.integers(1, LARGEST), st.data())
def test_proofs_across_tiles(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    hashes = leaves_of(grown(), size)
    root = tree_root(grown(), size)
    assert root == merkle.root(hashes)
    proof = inclusion_proof(grown(), index, size)
    assert proof == path(index, hashes)
    verify_inclusion(hashes[index], index, size, proof, root)
    proof = consistency_proof(grown(), old, size)
    verify_consistency(old, merkle.root(hashes[:old]), size, root, proof)


def leaves_of(store: HashStore, count: int) -> list[bytes]:
    data = store.subtrees(0, 0, count)
    return [data[at : at + 32] for at in range(0, len(data), 32)]


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_a_damaged_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    store, index = grown(), data.draw(st.integers(0, size - 1))
    leaf, root, proof = leaf_of(index), tree_root(store, size), inclusion_proof(store, index, size)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index)) if size > 1 else size
    wrong = [
        (leaf_of(other % size + 300), index, size, proof, root),
        (leaf, other, size, proof, root),
        (leaf, index, size, [*proof, data.draw(st.binary(min_size=32, max_size=32))], root),
        (leaf, index, size, proof, flipped(root, data)),
        (flipped(leaf, data), index, size, proof, root),
    ]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (leaf, index, size, proof[:at] + proof[at + 1 :], root),
            (leaf, index, size, [*proof[:at], flipped(proof[at], data), *proof[at + 1 :]], root),
        ]
    for arguments in wrong:
        with pytest.raises(ProofError):
            verify_inclusion(*arguments)


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_a_damaged_consistency_proof_is_refused(size: int, data: st.DataObject) -> None:
    store, old = grown(), data.draw(st.integers(1, size))
    old_root, new_root = tree_root(store, old), tree_root(store, size)
    proof = consistency_proof(store, old, size)
    wrong = [
        (old, old_root, size, flipped(new_root, data), proof),
        (old, flipped(old_root, data), size, new_root, proof),
        (old, old_root, size, new_root, [*proof, data.draw(st.binary(min_size=32, max_size=32))]),
        (old, old_root, size, new_root, [data.draw(st.binary(min_size=32, max_size=32)), *proof]),
        (size + 1, old_root, size, new_root, proof),
    ]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (old, old_root, size, new_root, proof[:at] + proof[at + 1 :]),
            (old, old_root, size, new_root, [*proof[:at], flipped(proof[at], data), *proof[at + 1 :]]),
        ]
    for arguments in wrong:
        with pytest.raises(ProofError):
            verify_consistency(*arguments)


@pytest.mark.parametrize(("size", "claimed"), [*itertools.permutations([1, 2, 4, 8, 256, 512], 2)])
def test_the_size_of_a_deeper_or_flatter_tree_is_refused(size: int, claimed: int) -> None:
    """Every hash fits and leads to the root; only their number is not that of the claimed size."""
    root = tree_root(grown(), size)
    with pytest.raises(ProofError, match=r"the proof has (more|fewer) hashes"):
        verify_inclusion(leaf_of(0), 0, claimed, inclusion_proof(grown(), 0, size), root)
    if min(size, claimed) > 1:
        proof = consistency_proof(grown(), 1, size)
        with pytest.raises(ProofError, match=r"the proof has (more|fewer) hashes"):
            verify_consistency(1, leaf_of(0), claimed, root, proof)


def leaf_of(index: int) -> bytes:
    return grown().subtrees(0, index, 1)


def flipped(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), max_size=6))
def test_a_witness_can_follow_any_growth(steps: list[int]) -> None:
    size, root = 0, EMPTY_ROOT
    for step in steps:
        new_size, new_root = size + step, tree_root(grown(), size + step)
        verify_consistency(size, root, new_size, new_root, consistency_proof(grown(), size, new_size))
        size, root = new_size, new_root


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 299))
def test_a_log_that_changed_a_leaf_is_found_out(old: int, more: int, changed: int) -> None:
    changed %= old
    forged = leaves(old + more)
    forged[changed] = leaf_hash(b"another")
    store = MemoryStore(forged)
    proof = consistency_proof(store, old, old + more)
    with pytest.raises(ProofError, match="another root"):
        verify_consistency(old, tree_root(grown(), old), old + more, tree_root(store, old + more), proof)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, LARGEST])
def test_what_an_append_completes(size: int) -> None:
    """Leaf by leaf or all at once, the same subtrees; each is the root of its leaves."""
    hashes = leaves_of(grown(), size)
    at_once = completed(grown(), 0, size)
    assert {(item.level, item.index) for item in at_once} == {
        (level, index) for level in (1, 2) for index in range(size >> 8 * level)
    }
    for item in at_once[-3:]:
        span = 256**item.level
        assert item.hash == merkle.root(hashes[item.index * span : (item.index + 1) * span])
    last = completed(grown(), max(0, size - 1), size)
    assert last == [item for item in at_once if size and (item.index + 1) * 256**item.level == size]


@given(st.lists(st.integers(0, 70_000), min_size=2, max_size=5))
@settings(deadline=None, max_examples=20)
def test_growing_in_steps_completes_the_same(sizes: list[int]) -> None:
    sizes = sorted({0, *sizes})
    parts = [item for old, new in itertools.pairwise(sizes) for item in completed(Older(old), old, new)]
    assert sorted(parts, key=lambda item: (item.level, item.index)) == completed(grown(), 0, sizes[-1])


class Older:
    """All leaf hashes, and of higher levels what was complete at a size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        if level:
            assert first + count <= self.size >> (8 * level)
        return grown().subtrees(level, first, count)


class Counting:
    """A store that says how often, and how wisely, it was asked."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[tuple[int, int, int]] = []

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        assert 1 <= count <= 256
        assert first // 256 == (first + count - 1) // 256
        assert (first + count) << (8 * level) <= self.size
        self.asked.append((level, first, count))
        return bytes(32 * count)


@settings(deadline=None)
@given(st.integers(1, MAX_SIZE), st.data())
def test_a_proof_reads_a_few_tiles_each_once(size: int, data: st.DataObject) -> None:
    for prove in (
        lambda store: inclusion_proof(store, data.draw(st.integers(0, size - 1)), size),
        lambda store: consistency_proof(store, data.draw(st.integers(0, size)), size),
        lambda store: tree_root(store, size),
    ):
        store = Counting(size)
        assert len(prove(store)) <= 64
        assert len(store.asked) == len(set(store.asked)) <= 2 * 8


@pytest.mark.parametrize("size", [-1, MAX_SIZE + 1, 2**64])
def test_sizes_that_no_log_has(size: int) -> None:
    store, proof = MemoryStore(), [bytes(32)]
    for refused in (
        lambda: tree_root(store, size),
        lambda: inclusion_proof(store, 0, size),
        lambda: consistency_proof(store, 0, size),
        lambda: consistency_proof(store, size, MAX_SIZE),
        lambda: completed(store, 0, size),
        lambda: verify_inclusion(bytes(32), 0, size, proof, bytes(32)),
        lambda: verify_consistency(0, EMPTY_ROOT, size, bytes(32), []),
        lambda: verify_consistency(size, bytes(32), size, bytes(32), []),
        lambda: verify_consistency(size, bytes(32), MAX_SIZE, bytes(32), proof),
    ):
        with pytest.raises(ProofError):
            refused()


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (MAX_SIZE, MAX_SIZE)])
def test_leaves_that_a_tree_does_not_have(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="no leaf"):
        inclusion_proof(grown(), index, size)
    with pytest.raises(ProofError, match="no leaf"):
        verify_inclusion(bytes(32), index, size, [], bytes(32))


def test_an_empty_log() -> None:
    assert tree_root(MemoryStore(), 0) == EMPTY_ROOT
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    for arguments in (
        (0, bytes(32), 0, bytes(32), []),
        (0, bytes(32), 1, bytes(32), []),
        (0, EMPTY_ROOT, 1, bytes(32), [bytes(32)]),
    ):
        with pytest.raises(ProofError):
            verify_consistency(*arguments)


def test_two_histories_of_one_size() -> None:
    with pytest.raises(ProofError, match="one size"):
        verify_consistency(7, bytes(32), 7, b"\1" * 32, [])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_hashes_of_another_length(length: int) -> None:
    short = bytes(length)
    for refused in (
        lambda: verify_inclusion(short, 0, 2, [bytes(32)], bytes(32)),
        lambda: verify_inclusion(bytes(32), 0, 2, [short], bytes(32)),
        lambda: verify_inclusion(bytes(32), 0, 2, [bytes(32)], short),
        lambda: verify_consistency(1, short, 2, bytes(32), [bytes(32)]),
        lambda: verify_consistency(1, bytes(32), 2, short, [bytes(32)]),
        lambda: verify_consistency(1, bytes(32), 2, bytes(32), [short]),
        lambda: MemoryStore([short]),
    ):
        with pytest.raises(ProofError, match="32 bytes"):
            refused()


def test_an_endless_proof() -> None:
    endless = [bytes(32)] * 100_000
    with pytest.raises(ProofError, match="at most 64"):
        verify_inclusion(bytes(32), 0, MAX_SIZE, endless, bytes(32))
    with pytest.raises(ProofError, match="at most 64"):
        verify_consistency(1, bytes(32), MAX_SIZE, bytes(32), endless)


def test_a_store_that_lacks_hashes() -> None:
    store = small(300)
    for refused in (
        lambda: tree_root(store, 301),
        lambda: inclusion_proof(store, 0, 301),
        lambda: consistency_proof(store, 5, 512),
        lambda: completed(store, 300, 512),
    ):
        with pytest.raises(ProofError, match="the store gave"):
            refused()


@settings(deadline=None)
@given(
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    st.lists(st.binary(max_size=33), max_size=70),
    st.binary(max_size=33),
    st.binary(max_size=33),
)
def test_anything_else_is_a_proof_error(
    one: int, other: int, proof: list[bytes], first: bytes, second: bytes
) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(first, one, other, proof, second)
    if (one, other) != (0, 0) and not (one == other and first == second):
        with pytest.raises(ProofError):
            verify_consistency(one, first, other, second, proof)
