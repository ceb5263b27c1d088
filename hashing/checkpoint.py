"""C2SP tlog-checkpoint: what a log says of itself, in three lines: its name, its size and its root.

A log signs its checkpoint as a note and never signs two that contradict each other; witnesses add their
cosignatures below.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from hashing.log import MAX_SIZE
from hashing.merkle import EMPTY_ROOT, HASH_SIZE
from hashing.notes import (
    KeyType,
    Note,
    NoteError,
    NoteKey,
    UnverifiedNoteError,
    Verified,
    Vkey,
    check_text,
    decode_base64,
    encode_base64,
    parse_signatures,
)

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log ``origin``: ``size`` leaves under a ``root`` of 32 bytes; maybe more lines.

    Raises NoteError for lines that are empty or have control characters, a size beyond 2^63 - 1, a root of
    another length, and another root than SHA-256("") for an empty log.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise NoteError("a line of a checkpoint is one line, and not empty")
        check_text(self.text)
        if not 0 <= self.size <= MAX_SIZE:
            raise NoteError(f"a log has 0 to {MAX_SIZE} leaves")
        if len(self.root) != HASH_SIZE:
            raise NoteError(f"a root has {HASH_SIZE} bytes, not {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("the root of an empty tree is another")

    @property
    def text(self) -> str:
        """The text of the note, newline and all."""
        return "\n".join([self.origin, str(self.size), encode_base64(self.root), *self.extensions, ""])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the one spelling of a checkpoint. Raises NoteError."""
        if not text.endswith("\n"):
            raise NoteError("the text of a checkpoint ends in a newline")
        lines = text[:-1].split("\n")
        if len(lines) < _LINES or not _SIZE.fullmatch(lines[1]):
            raise NoteError("a checkpoint has a name, a size and a root, a line each")
        return cls(lines[0], int(lines[1]), decode_base64(lines[2]), tuple(lines[3:]))

    def sign(self, *keys: NoteKey) -> Note:
        """Return the note signed by the log's keys. Raises NoteError for a key that makes cosignatures."""
        return Note(self.text, tuple(key.sign(self.text) for key in keys))


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint that its log has signed, the whole note, and the cosignatures that were checked."""

    checkpoint: Checkpoint
    note: Note
    cosignatures: tuple[Verified, ...]

    @property
    def witnesses(self) -> frozenset[bytes]:
        """The public keys of the witnesses that cosigned: one counts once, whatever names it goes by."""
        return frozenset(item.vkey.public for item in self.cosignatures)


def open_note(data: bytes, log: Iterable[Vkey], witnesses: Iterable[Vkey] = ()) -> Opened:
    """Read a checkpoint and check who signed it.

    1. The note and the checkpoint in it have their one spelling.
    2. At least one of the keys of the ``log`` has signed it.
    3. No line of a known key, log or witness, is wrong.
    4. A cosignature counts if it is not by a key of the log itself.

    It is for the caller to know which origin it expects, how many of the ``witnesses`` are enough, and
    whether the times they state are plausible. Raises NoteError, and UnverifiedNoteError for 2 and 3.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    logs = frozenset(log)
    others = frozenset(vkey for vkey in witnesses if vkey.kind is KeyType.COSIGNATURE)
    found = note.verify(logs | others)
    if not any(item.vkey in logs for item in found):
        raise UnverifiedNoteError("the log itself has not signed the checkpoint")
    own = {vkey.public for vkey in logs}
    cosigned = tuple(item for item in found if item.vkey in others and item.vkey.public not in own)
    return Opened(checkpoint, note, cosigned)


def cosign(note: Note, key: NoteKey, at: datetime) -> Note:
    """Return a checkpoint's note with a witness's cosignature below it, made at the time ``at`` (aware).

    The witness has verified that this checkpoint follows the last one it cosigned. Raises NoteError, also
    for a note that is no checkpoint.
    """
    Checkpoint.parse(note.text)
    return note.with_signatures([key.sign(note.text, at)])


def add_cosignatures(note: Note, answer: bytes, witnesses: Iterable[Vkey]) -> Note:
    """Return a checkpoint's note with the cosignatures out of a witness's answer (C2SP tlog-witness).

    Only lines of the ``witnesses`` are taken, all others dropped; one that is there already gives way to
    the new one. Raises NoteError for an answer that is no signature lines, and UnverifiedNoteError if none
    is by a witness, or one of those is wrong.
    """
    answered = Note(note.text, parse_signatures(answer))
    found = answered.verify(vkey for vkey in witnesses if vkey.kind is KeyType.COSIGNATURE)
    return note.with_signatures(item.signature for item in found)
