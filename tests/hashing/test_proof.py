"""Proofs in files of their own (C2SP tlog-proof)."""

from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hashing.checkpoint import Checkpoint, cosign
from hashing.log import MemoryStore, ProofError, inclusion_proof, tree_root
from hashing.merkle import leaf_hash
from hashing.notes import KeyType, Note, NoteError, UnverifiedNoteError
from hashing.proof import Proof
from tests.support.ledger import LOG, NEXT, ONE

AT = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = 300


def leaf(index: int) -> bytes:
    return leaf_hash(index.to_bytes(4, "big"))


@cache
def store() -> MemoryStore:
    return MemoryStore([leaf(index) for index in range(SIZE)])


@cache
def head(size: int = SIZE) -> Note:
    return cosign(Checkpoint("log.example", size, tree_root(store(), size)).sign(LOG), ONE, AT)


def proof(index: int, size: int = SIZE, extra: bytes | None = None) -> Proof:
    return Proof(index, tuple(inclusion_proof(store(), index, size)), head(size), extra)


def test_the_lines_of_a_proof() -> None:
    text = proof(0, 3, b"salt").spell().decode()
    first, second, index, *hashes = text.split("\n\n")[0].split("\n")
    assert (first, second, index) == ("c2sp.org/tlog-proof@v1", "extra c2FsdA==", "index 0")
    assert len(hashes) == 2
    assert text.split("\n\n", 1)[1].encode() == head(3).spell()


@settings(deadline=None)
@given(st.integers(1, SIZE), st.data(), st.none() | st.binary(max_size=50))
def test_what_was_written_is_read_and_holds(size: int, data: st.DataObject, extra: bytes | None) -> None:
    index = data.draw(st.integers(0, size - 1))
    written = proof(index, size, extra)
    read = Proof.parse(written.spell())
    assert read == written
    opened = read.verify(leaf(index), [LOG.vkey], [ONE.vkey])
    assert (opened.checkpoint.size, opened.witnesses) == (size, {ONE.vkey.public})
    with pytest.raises(ProofError):
        read.verify(leaf(index + 1), [LOG.vkey])
    with pytest.raises(UnverifiedNoteError):
        read.verify(leaf(index), [NEXT.vkey])


@settings(deadline=None)
@given(st.integers(0, SIZE - 1), st.data())
def test_any_flipped_bit_is_refused(index: int, data: st.DataObject) -> None:
    spelled = proof(index).spell()
    bit = data.draw(st.integers(0, len(spelled) * 8 - 1))
    damaged = bytearray(spelled)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        opened = Proof.parse(bytes(damaged)).verify(leaf(index), [LOG.vkey], [ONE.vkey])
    except (ProofError, NoteError):
        return
    # A bit of the name or the id in the witness's line: nobody known has written that.
    assert (opened.checkpoint, opened.witnesses) == (Checkpoint.parse(head().text), frozenset())


@pytest.mark.parametrize(
    "change",
    [
        ("@v1", "@v2"), ("index 5\n", ""), ("index 5", "index 05"), ("index 5", "index -1"),
        ("index 5", "index"),
        ("index 5", "index 99999999999999999999"), ("index 5", "index 9223372036854775807"),
        ("index 5\n", "index 5\nAAAA\n"), ("index 5\n", "index 5\nextra AAAA\n"),
        ("index 5", "extra A\nindex 5"),
        ("index 5\n", "index 5\n\n"), ("index 5", "index 5 "), ("index 5", "extra AAAA\nextra AAAA\nindex 5"),
        ("index 5", "index ٥"), ("\n", "\r\n"), ("index 5\n", "index 5\n" + "A" * 43 + "=\n" * 70),
    ],
)  # fmt: skip
def test_files_that_are_none(change: tuple[str, str]) -> None:
    text = proof(5).spell().decode().replace(*change)
    with pytest.raises((ProofError, NoteError)):
        Proof.parse(text.encode())


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\n\n")
@example(b"index 0\n\n")
@example(b"extra \n\n")
def test_any_other_bytes_are_refused(data: bytes) -> None:
    for prefix in (b"", b"c2sp.org/tlog-proof@v1\n", b"c2sp.org/tlog-proof@v1\nindex 0\n"):
        with pytest.raises((ProofError, NoteError)):
            Proof.parse(prefix + data)


def test_too_much() -> None:
    with pytest.raises(ProofError, match="bytes"):
        Proof.parse(bytes(2_000_001))
    with pytest.raises(ProofError, match="at most 64"):
        Proof(0, (bytes(32),) * 65, head())
    with pytest.raises(ProofError, match="32 bytes"):
        Proof(0, (bytes(31),), head())
    with pytest.raises(ProofError, match="no log"):
        Proof(-1, (), head())


def test_a_cosigner_of_another_type() -> None:
    assert ONE.kind is KeyType.COSIGNATURE
    assert proof(5).verify(leaf(5), [LOG.vkey], [NEXT.vkey]).witnesses == frozenset()
