"""C2SP tlog-proof: one file that shows, without network or register, that an entry is in a log.

It holds the entry's index, its inclusion proof and the signed checkpoint that the proof leads to. The entry
itself is not in it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from hashing.checkpoint import Checkpoint, Opened, open_note
from hashing.log import MAX_PROOF, MAX_SIZE, ProofError, verify_inclusion
from hashing.merkle import HASH_SIZE
from hashing.notes import MAX_NOTE_BYTES, Note, Vkey, decode_base64, encode_base64

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 2 * MAX_NOTE_BYTES
"""Largest file that is read."""
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class Proof:
    """That the leaf at ``index`` (from 0) is in the tree of the checkpoint in ``note``; nothing checked yet.

    ``hashes`` is the inclusion proof; ``extra`` are bytes for the application, which nobody vouches for.
    Raises ProofError for an index or hashes that no proof has, NoteError for a note that is no checkpoint.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_SIZE:
            raise ProofError(f"no log has a leaf {self.index}")
        if len(self.hashes) > MAX_PROOF or any(len(item) != HASH_SIZE for item in self.hashes):
            raise ProofError(f"a proof has at most {MAX_PROOF} hashes of {HASH_SIZE} bytes")
        Checkpoint.parse(self.note.text)

    def spell(self) -> bytes:
        """Return the file's bytes. Raises NoteError for a note that nobody signed."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + encode_base64(self.extra))
        lines += [f"index {self.index}", *map(encode_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.note.spell()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a file of at most 2,000,000 bytes. Raises ProofError, and NoteError for what is in it."""
        if len(data) > MAX_PROOF_BYTES:
            raise ProofError(f"a proof has at most {MAX_PROOF_BYTES} bytes")
        head, _, note = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise ProofError("the lines of a proof are ASCII") from error
        if lines.pop(0) != HEADER:
            raise ProofError(f"a proof begins with the line {HEADER}")
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = decode_base64(lines.pop(0).removeprefix(_EXTRA))
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None or len(lines) > MAX_PROOF:
            raise ProofError(f"a proof has an index and at most {MAX_PROOF} hashes, a line each")
        return cls(int(match[1]), tuple(map(decode_base64, lines)), Note.parse(note), extra)

    def verify(self, leaf_hash: bytes, log: Iterable[Vkey], witnesses: Iterable[Vkey] = ()) -> Opened:
        """Check the checkpoint's signatures, then that it holds ``leaf_hash``; see :func:`open_note`.

        Returns the checkpoint: its origin, and how many witnesses are enough, are for the caller to judge.
        Raises NoteError and ProofError.
        """
        opened = open_note(self.note.spell(), log, witnesses)
        head = opened.checkpoint
        verify_inclusion(leaf_hash, self.index, head.size, self.hashes, head.root)
        return opened
