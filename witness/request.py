"""What a log posts to ``add-checkpoint`` (C2SP tlog-witness): old size, consistency proof, checkpoint."""

import re
from dataclasses import dataclass
from typing import Self

from hashing.checkpoint import Checkpoint
from hashing.log import MAX_SIZE
from hashing.merkle import HASH_SIZE
from hashing.notes import Note, NoteError, decode_base64

MAX_BODY = 64 * 1024
"""Bytes of the longest request that is read: a proof takes 3 KiB, a note with a few signatures 1 KiB."""
MAX_PROOF_LINES = 63
"""Most hashes of a proof (tlog-witness, "add-checkpoint")."""
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request in its one spelling; nothing in it has been verified."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body of a request. Raises NoteError for anything but the lines of the standard."""
        if len(body) > MAX_BODY:
            raise NoteError(f"a request has at most {MAX_BODY} bytes")
        head, blank, note_bytes = body.partition(b"\n\n")
        if not blank:
            raise NoteError("a request has an empty line before its checkpoint")
        try:
            first, *hashes = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise NoteError("the lines before the checkpoint are ASCII") from error
        found = _OLD.fullmatch(first)
        if found is None or int(found[1]) > MAX_SIZE:
            raise NoteError("a request begins with a line such as: old 17")
        if len(hashes) > MAX_PROOF_LINES:
            raise NoteError(f"a proof has at most {MAX_PROOF_LINES} hashes")
        proof = tuple(decode_base64(line) for line in hashes)
        if any(len(item) != HASH_SIZE for item in proof):
            raise NoteError(f"each hash of a proof has {HASH_SIZE} bytes")
        note = Note.parse(note_bytes)
        return cls(int(found[1]), proof, note, Checkpoint.parse(note.text))
