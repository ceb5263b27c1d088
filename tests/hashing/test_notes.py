"""Signed notes: the published example, every rule of the format, and arbitrary bytes."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hashing.notes import (
    KeyType,
    Note,
    NoteError,
    NoteKey,
    Signature,
    UnverifiedNoteError,
    Vkey,
    decode_base64,
    parse_signatures,
)
from tests.support.ledger import note_key

# The example in the documentation of golang.org/x/mod/sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM="
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501
NOTE = f"{TEXT}\n{LINE}".encode()
AT = datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC)
texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=60).map(
    lambda text: f"{text}\n"
)


WITNESS = note_key("witness.example/w1", KeyType.COSIGNATURE, 2)


def key(name: str = "log.example/one", seed: int = 1) -> NoteKey:
    return note_key(name, KeyType.ED25519, seed)


def test_the_published_note() -> None:
    vkey = Vkey.parse(VKEY)
    assert (vkey.name, vkey.kind, vkey.key_id.hex(), str(vkey)) == (
        "PeterNeumann", KeyType.ED25519, "c74f20a3", VKEY,
    )  # fmt: skip
    note = Note.parse(NOTE)
    assert note.text == TEXT
    assert note.spell() == NOTE
    [verified] = note.verify([vkey])
    assert (verified.vkey, verified.signature, verified.time) == (vkey, note.signatures[0], None)


def test_the_published_key_makes_the_published_line() -> None:
    """Ed25519 is deterministic, so the same key makes the same line."""
    secret = Ed25519PrivateKey.from_private_bytes(base64.b64decode(SEED))
    theirs = NoteKey("PeterNeumann", KeyType.ED25519, secret)
    assert str(theirs.vkey) == VKEY
    assert theirs.sign(TEXT).line == LINE


def test_a_cosignature_is_what_the_standard_says() -> None:
    """Tlog-cosignature, "Format" and "Ed25519 signed message", put together by hand."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    line = WITNESS.sign(text, AT + timedelta(milliseconds=900))
    public = WITNESS.secret.public_key()
    raw = public.public_bytes_raw()
    assert line.key_id == hashlib.sha256(b"witness.example/w1\n\x04" + raw).digest()[:4]
    assert line.value[:8] == (1679315147).to_bytes(8, "big")
    assert len(line.value) == 72
    public.verify(line.value[8:], f"cosignature/v1\ntime 1679315147\n{text}".encode())
    assert WITNESS.vkey.verify(text, line) == AT
    assert str(WITNESS.vkey).startswith(f"witness.example/w1+{line.key_id.hex()}+")
    assert Vkey.parse(str(WITNESS.vkey)) == WITNESS.vkey


def test_a_time_in_another_zone() -> None:
    there = AT.astimezone(timezone(timedelta(hours=8)))
    assert WITNESS.sign(TEXT, there) == WITNESS.sign(TEXT, AT)


@settings(deadline=None)
@given(texts, st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True))
def test_what_was_signed_is_verified(text: str, seeds: list[int]) -> None:
    keys = [key(f"log{seed}", seed) for seed in seeds]
    note = Note(text, tuple(each.sign(text) for each in keys))
    again = Note.parse(note.spell())
    assert again == note
    assert {item.vkey for item in again.verify(each.vkey for each in keys)} == {each.vkey for each in keys}
    assert len(again.verify([keys[0].vkey])) == 1


@settings(deadline=None)
@given(texts, st.data())
def test_any_flipped_bit_is_refused(text: str, data: st.DataObject) -> None:
    one = key()
    spelled = Note(text, (one.sign(text), WITNESS.sign(text, AT))).spell()
    bit = data.draw(st.integers(0, len(spelled) * 8 - 1))
    damaged = bytearray(spelled)
    damaged[bit // 8] ^= 1 << bit % 8
    for vkey in (one.vkey, WITNESS.vkey):
        try:
            found = Note.parse(bytes(damaged)).verify([vkey])
        except NoteError:
            continue
        # A bit of the other key's line: that one is unknown here, and says nothing.
        assert Note.parse(bytes(damaged)).text == text
        assert [item.vkey for item in found] == [vkey]


def test_nobody_known_has_signed() -> None:
    stranger = key(seed=9).vkey
    namesake = Vkey("PeterNeumann", KeyType.ED25519, stranger.public)
    other_type = Vkey("PeterNeumann", KeyType.COSIGNATURE, Vkey.parse(VKEY).public)
    for vkeys in ([], [stranger], [namesake], [other_type], [stranger, namesake]):
        with pytest.raises(UnverifiedNoteError, match="none of the known keys"):
            Note.parse(NOTE).verify(vkeys)


@pytest.mark.parametrize("first", [True, False])
def test_one_wrong_line_of_a_known_key_spoils_the_note(*, first: bool) -> None:
    good, other = key(), key("log.example/two", seed=3)
    forged = Signature(other.name, other.vkey.key_id, good.sign(TEXT).value)
    lines = (forged, good.sign(TEXT)) if first else (good.sign(TEXT), forged)
    note = Note(TEXT, lines)
    assert len(note.verify([good.vkey])) == 1
    with pytest.raises(UnverifiedNoteError, match=re.escape(other.name)):
        note.verify([good.vkey, other.vkey])


def test_a_second_wrong_line_of_the_same_key() -> None:
    good = key()
    forged = Signature(good.name, good.vkey.key_id, bytes(64))
    for lines in ((good.sign(TEXT), forged), (forged, good.sign(TEXT))):
        with pytest.raises(UnverifiedNoteError):
            Note(TEXT, lines).verify([good.vkey])


@pytest.mark.parametrize("length", [1, 63, 65, 71, 72, 73])
def test_signatures_of_another_length(length: int) -> None:
    for one in (key(), WITNESS):
        with pytest.raises(UnverifiedNoteError):
            one.vkey.verify(TEXT, Signature(one.name, one.vkey.key_id, bytes(length)))


def test_a_signature_of_one_type_is_none_of_the_other() -> None:
    """One key pair under both types: neither line can be passed off as the other."""
    log = NoteKey("one", KeyType.ED25519, WITNESS.secret)
    witness = NoteKey("one", KeyType.COSIGNATURE, WITNESS.secret)
    assert log.vkey.key_id != witness.vkey.key_id
    cosigned = witness.sign(TEXT, AT)
    with pytest.raises(UnverifiedNoteError):
        log.vkey.verify(TEXT, Signature("one", log.vkey.key_id, cosigned.value[8:]))
    with pytest.raises(UnverifiedNoteError):
        witness.vkey.verify(TEXT, Signature("one", witness.vkey.key_id, bytes(8) + log.sign(TEXT).value))


@pytest.mark.parametrize("seconds", [2**63 - 1, 2**63, 2**64 - 1, 253_402_300_800])
def test_a_time_that_no_calendar_has(seconds: int) -> None:
    signed = WITNESS.secret.sign(f"cosignature/v1\ntime {seconds}\n{TEXT}".encode())
    line = Signature(WITNESS.name, WITNESS.vkey.key_id, seconds.to_bytes(8, "big") + signed)
    with pytest.raises(UnverifiedNoteError, match="calendar"):
        WITNESS.vkey.verify(TEXT, line)


def test_the_last_second_of_the_calendar() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert WITNESS.vkey.verify(TEXT, WITNESS.sign(TEXT, last)) == last


def test_times_that_are_refused() -> None:
    for at in (None, datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)):  # noqa: DTZ001
        with pytest.raises(NoteError):
            WITNESS.sign(TEXT, at)
    with pytest.raises(NoteError, match="another signature has none"):
        key().sign(TEXT, AT)


def test_lines_of_unknown_keys_are_kept() -> None:
    foreign = Signature("ça.example", b"\0\1\2\3", b"\xff" * 2420)  # as long as one of ML-DSA-44
    note = Note(TEXT, (foreign, key().sign(TEXT)))
    again = Note.parse(note.spell())
    assert again.signatures[0] == foreign
    assert [item.vkey for item in again.verify([key().vkey])] == [key().vkey]


def test_a_line_that_stands_twice_counts_once() -> None:
    note = Note.parse(NOTE + LINE.encode())
    assert note == Note.parse(NOTE)
    assert note.spell() == NOTE
    assert len(note.verify([Vkey.parse(VKEY)])) == 1


def test_a_key_signs_again() -> None:
    note = Note(TEXT, (key().sign(TEXT), WITNESS.sign(TEXT, AT)))
    later = note.with_signatures([WITNESS.sign(TEXT, AT + timedelta(hours=1))])
    assert [item.name for item in later.signatures] == ["log.example/one", "witness.example/w1"]
    assert later.verify([WITNESS.vkey])[0].time == AT + timedelta(hours=1)


def test_the_text_may_have_empty_lines() -> None:
    text = "Ognuno sta solo sul cuor della terra\n\ned è subito sera.\n\n— no signature\n"
    note = Note(text, (key().sign(text),))
    assert Note.parse(note.spell()).text == text


SIGNED = LINE.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"\n\n", b"text\n", b"text\n\n", b"text\n\n\n", b"text" + SIGNED, b"text\n" + SIGNED,
        b"text\n\n" + SIGNED[:-1], b"text\n\n" + SIGNED + b"\n", b"text\n\n" + SIGNED + b"junk\n",
        b"te\0xt\n\n" + SIGNED, b"te\txt\n\n" + SIGNED, b"text\r\n\r\n" + SIGNED, b"te\x1fxt\n\n" + SIGNED,
        b"\xff\n\n" + SIGNED, b"\xed\xa0\x80\n\n" + SIGNED, b"text\n\n" + SIGNED.replace(b"\n", b"\r\n"),
        b"text\n\n" + SIGNED.replace("—".encode(), b"-"),
        b"text\n\n" + SIGNED.replace("—".encode(), "–".encode()),
        b"text\n\n" + SIGNED.replace("— ".encode(), "—".encode()), b"text\n\n " + SIGNED,
        b"text\n\n" + SIGNED.replace(b"PeterNeumann", b""), b"text\n\n" + SIGNED.replace(b"Peter", b"Peter "),
        b"text\n\n" + SIGNED.replace(b"Peter", b"Peter+"),
        b"text\n\n" + SIGNED.replace(b"Neu", "\u00a0".encode()),
        b"text\n\n" + SIGNED.replace(b"Neu", "\u3000".encode()), b"text\n\n" + SIGNED.replace(b"=", b""),
        b"text\n\n" + SIGNED.replace(b"=", b"=="), b"text\n\n" + SIGNED.replace(b"AM=", b"AN="),
        b"text\n\n" + SIGNED.replace(b"x08", b"x0-"), "text\n\n— name x08gow==\n".encode(),
        "text\n\n— name x08g\n".encode(), "text\n\n— name\n".encode(), "text\n\n— name \n".encode(),
        b"text\n\n" + SIGNED.replace(b"=\n", b"= \n"), b"text\n\n" + SIGNED.replace(b" x08", b"  x08"),
    ],
)  # fmt: skip
def test_notes_that_are_none(data: bytes) -> None:
    with pytest.raises(NoteError):
        Note.parse(data)


def test_limits() -> None:
    line = SIGNED
    distinct = b"".join(line.replace(b"Peter", b"Peter%d" % number) for number in range(100))
    assert len(Note.parse(b"text\n\n" + distinct).signatures) == 100
    with pytest.raises(NoteError, match="at most 100"):
        Note.parse(b"text\n\n" + distinct + line)
    with pytest.raises(NoteError, match="at most 100"):
        Note.parse(b"text\n\n" + line * 101)
    with pytest.raises(NoteError, match="at most 1000000 bytes"):
        Note.parse(b"x" * 1_000_000 + b"\n\n" + line)
    with pytest.raises(NoteError, match="at most 1000000 bytes"):
        Note("x" * 1_000_000 + "\n", Note.parse(NOTE).signatures).spell()
    with pytest.raises(NoteError, match="at most 100"):
        Note.parse(b"text\n\n" + distinct).with_signatures(Note.parse(NOTE).signatures)


@pytest.mark.parametrize("text", ["", "no newline", "a\tb\n", "a\rb\n", "\ud800\n"])
def test_texts_that_no_note_has(text: str) -> None:
    with pytest.raises(NoteError):
        Note(text)
    with pytest.raises(NoteError):
        key().sign(text)


def test_a_note_that_nobody_signed() -> None:
    with pytest.raises(NoteError, match="at least one"):
        Note(TEXT).spell()


def test_signature_lines_alone() -> None:
    lines = parse_signatures(WITNESS.sign(TEXT, AT).line.encode() + SIGNED)
    assert [item.name for item in lines] == ["witness.example/w1", "PeterNeumann"]
    for data in (b"", b"\n", SIGNED[:-1], SIGNED + b"\n", SIGNED * 101, b"\xff\n"):
        with pytest.raises(NoteError):
            parse_signatures(data)


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@example(NOTE)
def test_any_other_bytes_are_a_note_error(data: bytes) -> None:
    for prefix in (b"", b"text\n\n", "text\n\n— ".encode(), "text\n\n— name ".encode()):
        try:
            note = Note.parse(prefix + data)
            note.verify([Vkey.parse(VKEY)])
        except NoteError:
            continue
        assert prefix + data == NOTE


@settings(deadline=None)
@given(st.text(max_size=100) | st.text(st.sampled_from("ab+/=01 \n"), max_size=100))
@example("")
@example("name")
@example("name++")
@example("name+00000000+")
def test_any_other_vkey_is_a_note_error(text: str) -> None:
    with pytest.raises(NoteError):
        Vkey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        VKEY.replace("c74f20a3", "C74F20A3"), VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("Peter", "Pete"),
        VKEY.replace("c74f20a3", "0c74f20a3"), VKEY + "=", VKEY[:-4], VKEY.replace("+ARpc", "+AhpC"),
        VKEY + "\n", " " + VKEY, VKEY.replace("+ARpc", "+ARpc\n"), "x" * 2000 + VKEY,
    ],
)  # fmt: skip
def test_vkeys_that_are_none(text: str) -> None:
    with pytest.raises(NoteError):
        Vkey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x1cb", "\x85", "\ud800"])
def test_names_that_no_key_has(name: str) -> None:
    for refused in (
        lambda: NoteKey.generate(name, KeyType.ED25519),
        lambda: Vkey(name, KeyType.ED25519, bytes(32)),
        lambda: Signature(name, bytes(4), bytes(64)),
    ):
        with pytest.raises(NoteError):
            refused()


@pytest.mark.parametrize("length", [0, 31, 33])
def test_public_keys_of_another_length(length: int) -> None:
    with pytest.raises(NoteError, match="32 bytes"):
        Vkey("name", KeyType.ED25519, bytes(length))


def test_a_key_file() -> None:
    made = NoteKey.generate("log.example/one", KeyType.ED25519)
    pem = made.pem()
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    again = NoteKey.load("log.example/one", KeyType.ED25519, pem)
    assert again.vkey == made.vkey
    assert again.sign(TEXT) == made.sign(TEXT)
    assert NoteKey.generate("log.example/one", KeyType.ED25519).vkey != made.vkey


def test_the_private_key_is_not_shown() -> None:
    made = NoteKey.generate("log.example/one", KeyType.ED25519)
    raw = made.secret.private_bytes_raw()
    shown = f"{made!r} {made} {made.vkey!r}"
    assert "secret" not in shown
    assert raw.hex() not in shown
    assert base64.b64encode(raw).decode() not in shown


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
@example(b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 100_000)
def test_any_other_key_file_is_a_note_error(pem: bytes) -> None:
    with pytest.raises(NoteError):
        NoteKey.load("name", KeyType.ED25519, pem)


def test_key_files_of_another_kind() -> None:
    encrypted = key().secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for pem, problem in ((encrypted, "without a password"), (other, "no Ed25519 key")):
        with pytest.raises(NoteError, match=problem):
            NoteKey.load("name", KeyType.ED25519, pem)


@settings(deadline=None)
@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        data = decode_base64(text)
    except NoteError:
        return
    assert base64.b64encode(data).decode() == text
