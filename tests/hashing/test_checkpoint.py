"""Checkpoints: one spelling, signed by the log, cosigned by witnesses."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hashing.checkpoint import Checkpoint, add_cosignatures, cosign, open_note
from hashing.log import MAX_SIZE
from hashing.merkle import EMPTY_ROOT
from hashing.notes import KeyType, Note, NoteError, NoteKey, Signature, UnverifiedNoteError
from tests.support.ledger import LOG, NEXT, ONE, ORIGIN, TWO, note_key

# The example in C2SP tlog-checkpoint and tlog-cosignature (whose keys are not published).
EXAMPLE = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"  # noqa: E501
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"  # noqa: E501
).encode()
AT = datetime(2026, 3, 1, 1, 5, tzinfo=UTC)
HEAD = Checkpoint(ORIGIN, 70_000, b"\1" * 32)
lines = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=30)


def test_the_published_checkpoint() -> None:
    note = Note.parse(EXAMPLE)
    head = Checkpoint.parse(note.text)
    assert (head.origin, head.size, head.extensions) == ("example.com/behind-the-sofa", 20_852_163, ())
    assert head.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert head.text == note.text
    assert note.spell() == EXAMPLE
    assert int.from_bytes(note.signatures[1].value[:8], "big") == 1_679_315_147


@settings(deadline=None)
@given(lines, st.integers(1, MAX_SIZE), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_one_checkpoint_has_one_spelling(origin: str, size: int, root: bytes, more: list[str]) -> None:
    head = Checkpoint(origin, size, root, tuple(more))
    assert Checkpoint.parse(head.text) == head
    assert open_note(head.sign(LOG).spell(), [LOG.vkey]).checkpoint == head


def test_an_empty_log() -> None:
    head = Checkpoint("log", 0, EMPTY_ROOT)
    assert Checkpoint.parse(head.text) == head
    with pytest.raises(NoteError, match="empty tree"):
        Checkpoint("log", 0, bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "log\n", "log\n1\n", "log\n1\n\n", "\n1\n{root}\n", "log\n1\n{root}", "log\n1\n{root}\n\n",
        "log\n1\n{root}\n\nmore\n", "log\n01\n{root}\n", "log\n+1\n{root}\n", "log\n-1\n{root}\n",
        "log\n1.0\n{root}\n", "log\n 1\n{root}\n", "log\n1 \n{root}\n", "log\n\n{root}\n",
        "log\n00\n{root}\n",
        "log\n9223372036854775808\n{root}\n", "log\n99999999999999999999\n{root}\n", "log\n1e3\n{root}\n",
        "log\n0\n{root}\n", "log\n1_0\n{root}\n", "log\n١\n{root}\n", "log\n1\n{short}\n",
        "log\n1\n{root}=\n",
        "log\n1\nAA{root}\n", "log\n1\n{root} \n", "log\n1\n-{root}\n", "lo\tg\n1\n{root}\n", "\n\n\n",
    ],
)  # fmt: skip
def test_checkpoints_that_are_none(text: str) -> None:
    root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    with pytest.raises(NoteError):
        Checkpoint.parse(text.replace("{root}", root).replace("{short}", "CsUYapGGPo4="))


@settings(deadline=None)
@given(st.text(max_size=80) | st.text(st.sampled_from("a01\n="), max_size=80))
@example("a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n")
def test_any_other_text_is_a_note_error(text: str) -> None:
    try:
        head = Checkpoint.parse(text)
    except NoteError:
        return
    assert head.text == text


@pytest.mark.parametrize(
    "facts",
    [
        ("", 1, bytes(32)), ("a\nb", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 2**63, bytes(32)),
        ("a", 1, bytes(31)), ("a", 1, bytes(32), ("",)), ("a", 1, bytes(32), ("a\nb",)),
        ("a\0", 1, bytes(32)), ("\ud800", 1, bytes(32)),
    ],
)  # fmt: skip
def test_facts_that_no_checkpoint_has(facts: tuple[str, int, bytes]) -> None:
    with pytest.raises(NoteError):
        Checkpoint(*facts)


def test_signed_and_cosigned() -> None:
    note = cosign(cosign(HEAD.sign(LOG), ONE, AT), TWO, AT + timedelta(seconds=5))
    opened = open_note(note.spell(), [LOG.vkey], [ONE.vkey, TWO.vkey])
    assert opened.checkpoint == HEAD
    assert opened.note == note
    assert [(item.vkey, item.time) for item in opened.cosignatures] == [
        (ONE.vkey, AT), (TWO.vkey, AT + timedelta(seconds=5)),
    ]  # fmt: skip
    assert opened.witnesses == {ONE.vkey.public, TWO.vkey.public}
    assert open_note(note.spell(), [LOG.vkey]).cosignatures == ()


def test_a_witness_alone_does_not_speak_for_the_log() -> None:
    note = cosign(HEAD.sign(LOG), ONE, AT)
    for log in ([], [NEXT.vkey], [TWO.vkey]):
        with pytest.raises(UnverifiedNoteError, match=r"log itself|none of the known"):
            open_note(note.spell(), log, [ONE.vkey])


def test_an_old_and_a_new_key_of_the_log() -> None:
    note = HEAD.sign(LOG, NEXT)
    for log in ([LOG.vkey], [NEXT.vkey], [LOG.vkey, NEXT.vkey]):
        assert open_note(note.spell(), log).checkpoint == HEAD


def test_a_wrong_cosignature_spoils_the_checkpoint() -> None:
    note = HEAD.sign(LOG).with_signatures([Signature(ONE.name, ONE.vkey.key_id, bytes(72))])
    assert open_note(note.spell(), [LOG.vkey]).checkpoint == HEAD
    with pytest.raises(UnverifiedNoteError, match=re.escape(ONE.name)):
        open_note(note.spell(), [LOG.vkey], [ONE.vkey])


def test_who_is_no_witness() -> None:
    """A log is none of its own, a plain signature is no cosignature, and one key counts once."""
    itself = NoteKey("self", KeyType.COSIGNATURE, LOG.secret)
    plain = note_key("plain", KeyType.ED25519, 7)
    alias = NoteKey("alias", KeyType.COSIGNATURE, ONE.secret)
    note = cosign(cosign(cosign(HEAD.sign(LOG, plain), itself, AT), ONE, AT), alias, AT)
    witnesses = [itself.vkey, plain.vkey, ONE.vkey, alias.vkey]
    assert open_note(note.spell(), [LOG.vkey], witnesses).witnesses == {ONE.vkey.public}


def test_the_answer_of_a_witness() -> None:
    note = cosign(HEAD.sign(LOG), ONE, AT)
    forged = Signature(LOG.name, LOG.vkey.key_id, bytes(64))
    later = AT + timedelta(hours=1)
    answer = (forged.line + ONE.sign(note.text, later).line + TWO.sign(note.text, later).line).encode()
    added = add_cosignatures(note, answer, [ONE.vkey])
    assert [item.name for item in added.signatures] == [LOG.name, ONE.name]
    opened = open_note(added.spell(), [LOG.vkey], [ONE.vkey, TWO.vkey])
    assert [item.time for item in opened.cosignatures] == [later]


@pytest.mark.parametrize("answer", [b"", b"junk\n", "— nobody AAAAAAA=\n".encode()])
def test_answers_without_a_cosignature(answer: bytes) -> None:
    with pytest.raises(NoteError):
        add_cosignatures(HEAD.sign(LOG), answer, [ONE.vkey])


def test_an_answer_for_another_checkpoint() -> None:
    other = Checkpoint(HEAD.origin, HEAD.size + 1, HEAD.root)
    with pytest.raises(UnverifiedNoteError):
        add_cosignatures(HEAD.sign(LOG), ONE.sign(other.text, AT).line.encode(), [ONE.vkey])
    with pytest.raises(UnverifiedNoteError):  # and the log's own key is no witness here
        add_cosignatures(HEAD.sign(LOG), LOG.sign(HEAD.text).line.encode(), [LOG.vkey])


def test_only_checkpoints_are_cosigned() -> None:
    with pytest.raises(NoteError):
        cosign(Note("anything\n", (LOG.sign("anything\n"),)), ONE, AT)
    with pytest.raises(NoteError):
        HEAD.sign(ONE)


@settings(deadline=None)
@given(st.data())
def test_any_flipped_bit_is_refused(data: st.DataObject) -> None:
    spelled = HEAD.sign(LOG).spell()
    bit = data.draw(st.integers(0, len(spelled) * 8 - 1))
    damaged = bytearray(spelled)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NoteError):
        open_note(bytes(damaged), [LOG.vkey])
