"""Proofs for outsiders: that an event is in the log that was signed, and where it stands."""

import base64
from typing import Any

from sqlalchemy.orm import Session

from config.errors import EventNotFoundError, EventUnsignedError
from hashing import log
from hashing.notes import Note, NoteError, Signature
from jobs.node import Node
from metadata import events
from metadata.models import CustodyEvent
from metadata.repo import ledger
from metadata.repo.ledger import Hashes

SCHEMA = "sealdock.proof/1"


def prove(node: Node, sequence: int) -> dict[str, Any]:
    """Return an event with the proof that it is a leaf under the newest checkpoint (docs/formats.md).

    Raises EventNotFoundError: there is no such event; EventUnsignedError: no checkpoint covers it yet.
    """
    with node.register.read() as session:
        row = session.get(CustodyEvent, sequence)
        head = next(ledger.checkpoints(session), None)
        if row is None:
            raise EventNotFoundError(event=sequence)
        if head is None or head.size <= sequence:
            raise EventUnsignedError(event=sequence)
        proof = log.inclusion_proof(Hashes(session), sequence, head.size)
        note = whole_note(session, head.size)
    return {
        "schema": SCHEMA,
        "event": row.body.decode("utf-8"),
        "salt": _base64(row.salt),
        "entry": _base64(events.entry(row.salt, row.body)),
        "index": sequence,
        "size": head.size,
        "proof": [_base64(item) for item in proof],
        "checkpoint": note,
    }


def whole_note(session: Session, size: int) -> str:
    """Return a checkpoint with the lines of all witnesses below it. Raises EventNotFoundError."""
    data = ledger.checkpoint(session, size)
    if data is None:
        raise EventNotFoundError(event=size)
    note = Note.parse(data)
    lines = []
    for row in ledger.cosignatures(session, size):
        try:
            lines.append(Signature.parse(row.line))
        except NoteError:
            continue  # `ledger check` names a row that somebody edited
    return note.with_signatures(lines).spell().decode("utf-8")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
