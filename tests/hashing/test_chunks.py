import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashing.chunks import CHUNK_SIZE, ChunkDigests
from hashing.merkle import leaf_hash, root

DIGESTS = st.lists(st.binary(min_size=32, max_size=32), max_size=40)


def made(digests: list[bytes]) -> ChunkDigests:
    return ChunkDigests(CHUNK_SIZE, b"".join(digests))


def test_a_chunk_has_eight_mebibytes() -> None:
    assert CHUNK_SIZE == 8_388_608


def test_an_empty_file_has_no_chunk() -> None:
    assert made([]).count == 0
    assert made([]).root.value == hashlib.sha256(b"").digest()


@given(DIGESTS)
def test_the_root_stands_for_the_digests(digests: list[bytes]) -> None:
    chunks = made(digests)
    assert chunks.count == len(digests)
    assert [chunks.leaf(index) for index in range(chunks.count)] == digests
    assert chunks.root.value == root(leaf_hash(digest) for digest in digests)


@given(DIGESTS.filter(bool), st.data())
def test_any_change_changes_the_root(digests: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(digests) - 1))
    changed = list(digests)
    changed[index] = bytes(byte ^ 1 for byte in changed[index])
    assert made(changed).root != made(digests).root


def test_there_is_no_chunk_outside() -> None:
    chunks = made([bytes(32)])
    for index in (-1, 1):
        with pytest.raises(IndexError):
            chunks.leaf(index)


def test_half_a_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ChunkDigests(CHUNK_SIZE, bytes(33))
    with pytest.raises(ValueError, match="at least one byte"):
        ChunkDigests(0, b"")
