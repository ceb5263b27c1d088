"""C2SP signed notes: a text with signature lines below it, each by a named Ed25519 key.

Two types of signature (C2SP signed-note, "Signature types"): 0x01 signs the text, and 0x04, the *cosignature*
of C2SP tlog-cosignature, signs the text and the time at which a witness saw it. Lines of keys that nobody
asked about are kept and never judged: whatever they say, they prove nothing.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_NOTE_BYTES = 1_000_000
"""Largest note that is read or written."""
MAX_SIGNATURES = 100
"""Most signature lines of a note; the standard asks for at least 16."""
KEY_ID_SIZE = 4
PUBLIC_KEY_SIZE = 32
_SIGNATURE_SIZE = 64
_TIME_SIZE = 8
_MAX_VKEY = 1024
_MAX_PEM = 64 * 1024
_DASH = "— "  # U+2014 and a space
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")  # all but the newline (signed-note, "Format")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIME = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


class NoteError(ValueError):
    """A note, a key or a checkpoint that its standard does not allow."""


class UnverifiedNoteError(NoteError):
    """A well-formed note that none of the keys asked about has signed, or one of them wrongly."""


class KeyType(IntEnum):
    """What a key signs: the byte before the public key in a key id and in a verifier key."""

    ED25519 = 0x01
    """Signed-note: the text."""
    COSIGNATURE = 0x04
    """Tlog-cosignature, v1: the text and a time."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its id of 4 bytes, and what follows in the line, undecoded.

    Raises NoteError for a name with white space or a plus sign, or an empty signature.
    """

    name: str
    key_id: bytes
    value: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.key_id) != KEY_ID_SIZE:
            raise NoteError(f"a key id has {KEY_ID_SIZE} bytes, not {len(self.key_id)}")
        if not self.value:
            raise NoteError("a signature line without a signature")

    @property
    def line(self) -> str:
        """The line with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.value)}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line without its newline. Raises NoteError."""
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH):
            raise NoteError("a signature line begins with an em dash and a space")
        raw = decode_base64(encoded)
        return cls(name, raw[:KEY_ID_SIZE], raw[KEY_ID_SIZE:])


@dataclass(frozen=True, slots=True)
class Vkey:
    """A verifier key: a name, what the key signs, and its public key of 32 bytes (RFC 8032).

    ``str()`` spells it ``name+key id in hexadecimal+base64(type and public key)``. Raises NoteError for a
    name with white space or a plus sign, or a public key of another length.
    """

    name: str
    kind: KeyType
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != PUBLIC_KEY_SIZE:
            raise NoteError(f"an Ed25519 key has {PUBLIC_KEY_SIZE} bytes, not {len(self.public)}")

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, type, public key)."""
        data = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(data).digest()[:KEY_ID_SIZE]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the one spelling of a verifier key. Raises NoteError, also if its id is another's."""
        if len(text) > _MAX_VKEY:
            raise NoteError("a verifier key is shorter")
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")  # base64 has plus signs of its own
        raw = decode_base64(encoded)
        try:
            kind = KeyType(raw[0])
        except (IndexError, ValueError) as error:
            raise NoteError("a verifier key of a type that is not known here") from error
        vkey = cls(name, kind, raw[1:])
        if key_id != vkey.key_id.hex():
            raise NoteError("the id in a verifier key is not that of its name and key")
        return vkey

    def claims(self, signature: Signature) -> bool:
        """Whether a line says that it is by this key; only :meth:`verify` tells whether it is."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verify(self, text: str, signature: Signature) -> datetime | None:
        """Check a signature of this key under ``text``; return the time (UTC) of a cosignature, else None.

        Raises UnverifiedNoteError. Whether the time is plausible is for the caller to judge.
        """
        seconds, value = None, signature.value
        if self.kind is KeyType.COSIGNATURE:
            seconds, value = int.from_bytes(value[:_TIME_SIZE], "big"), value[_TIME_SIZE:]
            if seconds > _MAX_TIME:
                raise UnverifiedNoteError(f"the cosignature of {self.name} has a time that no calendar has")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, _message(text, seconds))
        except (InvalidSignature, ValueError) as error:
            raise UnverifiedNoteError(f"the signature of {self.name} is wrong") from error
        return None if seconds is None else _EPOCH + timedelta(seconds=seconds)


@dataclass(frozen=True, eq=False)
class NoteKey:
    """A private key with the name and the type it signs under; it is never shown.

    One key pair serves one name and one type: a cosignature does not say whose it is. Raises NoteError for
    a name with white space or a plus sign.
    """

    name: str
    kind: KeyType
    secret: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        _check_name(self.name)

    @classmethod
    def generate(cls, name: str, kind: KeyType) -> Self:
        """Make a new key."""
        return cls(name, kind, Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, name: str, kind: KeyType, pem: bytes) -> Self:
        """Read a key out of PEM (PKCS #8, not encrypted), as :meth:`pem` spells it. Raises NoteError."""
        if len(pem) > _MAX_PEM:
            raise NoteError("a key file is shorter")
        try:
            secret = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise NoteError("this is no private key in PEM without a password") from error
        if not isinstance(secret, Ed25519PrivateKey):
            raise NoteError("this is no Ed25519 key")
        return cls(name, kind, secret)

    def pem(self) -> bytes:
        """Return the key for its file, which only its owner may read."""
        return self.secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def vkey(self) -> Vkey:
        """The verifier key: what others need to check its signatures."""
        return Vkey(self.name, self.kind, self.secret.public_key().public_bytes_raw())

    def sign(self, text: str, at: datetime | None = None) -> Signature:
        """Sign the text of a note; a cosignature needs the time ``at`` (aware; whole seconds count).

        Raises NoteError for a text that no note can have, a naive time or one before 1970, and where a time
        is missing or not wanted.
        """
        check_text(text)
        if (self.kind is KeyType.COSIGNATURE) != (at is not None):
            raise NoteError("a cosignature has a time, another signature has none")
        if at is None:
            return Signature(self.name, self.vkey.key_id, self.secret.sign(_message(text, None)))
        if at.tzinfo is None or at < _EPOCH:
            raise NoteError(f"no time of a cosignature: {at!r}")
        seconds = (at - _EPOCH) // timedelta(seconds=1)
        value = seconds.to_bytes(_TIME_SIZE, "big") + self.secret.sign(_message(text, seconds))
        return Signature(self.name, self.vkey.key_id, value)


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that was checked, whose it is, and the time that a cosignature states (UTC)."""

    vkey: Vkey
    signature: Signature
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of them checked; a line that stands twice is kept once.

    The text ends in a newline. Raises NoteError for control characters, more than 100 signatures, and what
    is not UTF-8.
    """

    text: str
    signatures: tuple[Signature, ...] = ()

    def __post_init__(self) -> None:
        check_text(self.text)
        object.__setattr__(self, "signatures", tuple(dict.fromkeys(self.signatures)))
        if len(self.signatures) > MAX_SIGNATURES:
            raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a note of at most 1,000,000 bytes, with at least one signature line. Raises NoteError."""
        text, blank, lines = _decode(data).rpartition("\n\n")
        if not blank:
            raise NoteError("a note has an empty line before its signatures")
        return cls(text + "\n", _parse_lines(lines))

    def spell(self) -> bytes:
        """Return the note's bytes. Raises NoteError for one that nobody signed, or over 1,000,000 bytes."""
        if not self.signatures:
            raise NoteError("a note has at least one signature")
        data = (self.text + "\n" + "".join(item.line for item in self.signatures)).encode()
        if len(data) > MAX_NOTE_BYTES:
            raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
        return data

    def with_signatures(self, signatures: Iterable[Signature]) -> Self:
        """Return the note with these lines too; a key that is there already keeps its later line only.

        Nothing is checked: a line that claims to be of the log's key would take the place of the log's own.
        Raises NoteError for too many.
        """
        lines = {(item.name, item.key_id): item for item in (*self.signatures, *signatures)}
        return type(self)(self.text, tuple(lines.values()))

    def verify(self, vkeys: Iterable[Vkey]) -> tuple[Verified, ...]:
        """Return the signatures by these keys, in the order of the lines; all others are ignored.

        Raises UnverifiedNoteError if there is none, and if any of them is wrong, however many are right.
        """
        known = {(vkey.name, vkey.key_id): vkey for vkey in vkeys}
        found = tuple(
            Verified(vkey, item, vkey.verify(self.text, item))
            for item in self.signatures
            if (vkey := known.get((item.name, item.key_id))) is not None
        )
        if not found:
            raise UnverifiedNoteError("none of the known keys has signed the note")
        return found


def parse_signatures(data: bytes) -> tuple[Signature, ...]:
    """Read signature lines that stand alone, as a witness answers (C2SP tlog-witness). Raises NoteError."""
    return _parse_lines(_decode(data))


def check_text(text: str) -> None:
    """Raise NoteError for what the text of a note cannot be: see :class:`Note`."""
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    _check_characters(text)


def encode_base64(data: bytes) -> str:
    """Return base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Read the one base64 spelling of some bytes. Raises NoteError for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("this is not base64") from error
    if encode_base64(data) != text:
        raise NoteError("this is not base64 in its one spelling")
    return data


def _message(text: str, seconds: int | None) -> bytes:
    """Return what is signed; with a time, the message of tlog-cosignature ("Ed25519 signed message")."""
    header = "" if seconds is None else f"cosignature/v1\ntime {seconds}\n"
    return (header + text).encode()


def _decode(data: bytes) -> str:
    if len(data) > MAX_NOTE_BYTES:
        raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("a note is UTF-8") from error
    _check_characters(text)
    return text


def _parse_lines(lines: str) -> tuple[Signature, ...]:
    if not lines.endswith("\n"):
        raise NoteError("a signature line ends in a newline")
    if lines.count("\n") > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return tuple(Signature.parse(line) for line in lines[:-1].split("\n"))


def _check_characters(text: str) -> None:
    if _CONTROL.search(text):
        raise NoteError("a note has no control characters")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise NoteError("a note is UTF-8") from error


def _check_name(name: str) -> None:
    _check_characters(name)
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("the name of a key has neither white space nor a plus sign, and is not empty")
