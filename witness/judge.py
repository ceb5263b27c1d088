"""What a witness answers to a checkpoint, and nothing about how it arrives (C2SP tlog-witness).

It signs only what it has proved to follow from what it signed before, and only after that is on the medium:
a process that dies at any moment has given away no signature that its successor does not know of.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from hashing.merkle import EMPTY_ROOT
from hashing.notes import Note, NoteError, NoteKey, UnverifiedNoteError
from witness.evidence import Evidence, EvidenceFullError
from witness.forks import Kind, judge_growth
from witness.request import AddCheckpoint
from witness.state import Cosigned, State

_log = logging.getLogger("sealdock.witness")


class Status(IntEnum):
    """The HTTP status of an answer (tlog-witness, "add-checkpoint")."""

    COSIGNED = 200
    MALFORMED = 400
    UNSIGNED = 403
    UNKNOWN = 404
    CONFLICT = 409
    INCONSISTENT = 422
    UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: signature lines, or a sentence; ``size`` stands for the one last cosigned."""

    status: Status
    text: str
    size: int | None = None


def utc_now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


class Judge:
    """Decides about checkpoints, one at a time, with the key and the state of one witness."""

    def __init__(
        self, key: NoteKey, state: State, evidence: Evidence, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.key = key
        self.state = state
        self.evidence = evidence
        self._now = now
        self._turn = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request of a log.

        1. It has the one spelling of the standard, else 400.
        2. Its origin is that of a log served here, else 404.
        3. A key of that log has signed it, and no line of such a key is wrong, else 403.
        4. The old size is not greater than that of the checkpoint, else 400.
        5. If this witness has cosigned it before, it remembers that; else its state is an old one that was
           put back, and it signs nothing more for this log: 503.
        6. No other root was cosigned at its size: that would be a fork, and evidence.
        7. The old size is the one last cosigned, else 409 with that size.
        8. At the same size the root is the same, else 409 without a size.
        9. The proof leads from the root last cosigned to the new one, else 422, and perhaps evidence.
        10. It is cosigned, and that is on the medium before anybody hears of the signature.
        """
        try:
            request = AddCheckpoint.parse(body)  # 1
        except NoteError as error:
            return Answer(Status.MALFORMED, f"{error}\n")
        try:
            return self._judge(request)
        except sqlite3.Error as error:
            _log.error("witness-state-failed", extra={"problem": str(error)})
            return Answer(Status.UNAVAILABLE, "The state of this witness cannot be used now.\n")

    def _judge(self, request: AddCheckpoint) -> Answer:
        checkpoint = request.checkpoint
        vkeys = self.state.keys(checkpoint.origin)
        if not vkeys:  # 2
            return Answer(Status.UNKNOWN, "This witness does not serve that log.\n")
        try:
            signed = request.note.verify(vkeys)  # 3
        except UnverifiedNoteError as error:
            return Answer(Status.UNSIGNED, f"{error}\n")
        if request.old_size > checkpoint.size:  # 4
            return Answer(Status.MALFORMED, "The old size is greater than that of the checkpoint.\n")
        note = Note(
            request.note.text, tuple(item.signature for item in signed)
        )  # what others added is theirs
        with self._turn:
            with self.state.change():
                answer = self._decide(request, note)
            if answer.status is Status.COSIGNED:
                self._done(request)
        return answer

    def _decide(self, request: AddCheckpoint, note: Note) -> Answer:
        checkpoint = request.checkpoint
        known = self.state.latest(checkpoint.origin)
        there = self.state.at_size(checkpoint.origin, checkpoint.size)
        forked = there is not None and there.root != checkpoint.root
        if (there is None or forked) and self._has_signed(request.note):  # 5
            self.state.stop(checkpoint.origin, request.note, self._now())
            _log.error("witness-state-behind", extra={"origin": checkpoint.origin, "size": checkpoint.size})
        if self.state.stopped(checkpoint.origin):
            return Answer(Status.UNAVAILABLE, "This witness signs nothing more for this log.\n")
        if there is not None and forked:  # 6
            self._accuse(Kind.SAME_SIZE, there, request, note)
        size, root = (0, EMPTY_ROOT) if known is None else (known.size, known.root)
        if request.old_size != size:  # 7
            return Answer(Status.CONFLICT, f"{size}\n", size)
        if forked:  # 8
            return Answer(Status.CONFLICT, "This witness has cosigned another root at that size.\n")
        shown = judge_growth(size, root, checkpoint.size, checkpoint.root, request.proof)  # 9
        if shown is not None:
            if known is not None and checkpoint.size > size > 0:
                self._accuse(shown, known, request, note)
            return Answer(Status.INCONSISTENT, "The proof does not lead from the checkpoint last cosigned.\n")
        at = self._now()
        signature = self.key.sign(note.text, at)
        self.state.keep(checkpoint, note.with_signatures([signature]), at)
        return Answer(Status.COSIGNED, signature.line)  # 10

    def _has_signed(self, note: Note) -> bool:
        try:
            note.verify([self.key.vkey])
        except UnverifiedNoteError:
            return False
        return True

    def _done(self, request: AddCheckpoint) -> None:
        """Log what was cosigned; a suspicion of it has turned out to be none."""
        checkpoint = request.checkpoint
        _log.info("witness-cosigned", extra={"origin": checkpoint.origin, "size": checkpoint.size})
        try:
            answered = self.evidence.answer(checkpoint.origin, checkpoint.size, checkpoint.root)
        except OSError:  # it stays open, for a person to look at
            return
        for case in answered:
            _log.info("witness-suspicion-answered", extra={"origin": checkpoint.origin, "case": case.id})

    def _accuse(self, kind: Kind, known: Cosigned, request: AddCheckpoint, note: Note) -> None:
        """Keep both notes and say so aloud, or say aloud what they are if they cannot be kept."""
        checkpoint = request.checkpoint
        try:
            path = self.evidence.keep(kind, known, checkpoint, note, request.proof, self._now())
        except (OSError, EvidenceFullError) as error:
            _log.error(
                "witness-evidence-not-kept",
                extra={
                    "kind": kind.value,
                    "problem": str(error) or "too many open cases",
                    "known": known.note,
                    "offered": note.spell().decode(),
                },
            )
            return
        if path is None:
            return
        if kind.proven:
            _log.error(
                "witness-fork",
                extra={
                    "origin": checkpoint.origin,
                    "known_size": known.size,
                    "offered_size": checkpoint.size,
                    "case": path.name,
                },
            )
        else:
            _log.warning(
                "witness-fork-suspected",
                extra={
                    "origin": checkpoint.origin,
                    "known_size": known.size,
                    "offered_size": checkpoint.size,
                    "case": path.name,
                },
            )
