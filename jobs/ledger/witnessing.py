"""Ask the witnesses to cosign the log's newest checkpoint, and what they saw last.

A witness is somebody else's: it keeps the last checkpoint that it cosigned, and cosigns only what grew out of
it. So a log that was rewritten cannot get the cosignature that outsiders look for, whoever has the log's key.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from config.errors import LedgerBehindError, LedgerForeignError, LedgerForkedError, SealdockError
from hashing import log
from hashing.checkpoint import Checkpoint, add_cosignatures, open_note
from hashing.notes import Note, NoteError, Vkey
from jobs.node import Node
from jobs.witnessing_client import (
    WitnessConflictError,
    WitnessingError,
    WitnessRefusedError,
    add_checkpoint,
    latest,
)
from metadata.repo import ledger
from metadata.repo.ledger import Hashes

_log = logging.getLogger("sealdock.ledger")
UNAVAILABLE, REFUSED = "witness-unavailable", "witness-refused"
"""Why a witness did not cosign, as the register keeps it."""
WENT_BACK = "witness-went-back"
"""It shows an older checkpoint than one that it has cosigned: its state was lost, or is a copy."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of the settings: where it answers, and its key."""

    url: str
    vkey: Vkey

    @property
    def name(self) -> str:
        """What the register calls it: the name in its key."""
        return self.vkey.name


def witnesses(node: Node) -> list[Witness]:
    """Return the witnesses of the settings."""
    found = []
    for item in node.settings.ledger.witnesses:
        url, _, vkey = item.partition(" ")
        found.append(Witness(url, Vkey.parse(vkey)))
    return found


def cosign(node: Node, witness: Witness, size: int) -> SealdockError | WitnessingError | None:
    """Get a witness's line below the checkpoint of a size, and keep it; return what kept it from signing.

    One that refuses since it knows another history raises an alert.
    """
    with node.register.read() as session:
        note = ledger.checkpoint(session, size)
        known = ledger.standing(session, witness.name)
        if note is None:
            raise ValueError(f"no checkpoint of size {size}")
        if any(row.witness == str(witness.vkey) for row in ledger.cosignatures(session, size)):
            return None
    old = 0 if known is None else known.size
    try:
        try:
            _ask(node, witness, note, old, size)
        except WitnessConflictError as error:
            _ask(node, witness, note, error.size, size)
    except LedgerBehindError as behind:
        _note(node, witness, problem=REFUSED)
        _alarm(node, witness, behind)
        return behind
    except WitnessRefusedError as error:
        _note(node, witness, problem=REFUSED)
        if error.contradicts:
            forked = LedgerForkedError(size=size, holder=witness.url, key=witness.name)
            _alarm(node, witness, forked)
            return forked
        _log.warning("ledger-witness-refused", extra={"witness": witness.name, "problem": error.problem})
        return error
    except (WitnessingError, NoteError) as error:
        _note(node, witness, problem=UNAVAILABLE)
        _log.warning("ledger-witness-away", extra={"witness": witness.name, "problem": str(error)})
        return error if isinstance(error, WitnessingError) else WitnessingError(witness.url, str(error))
    _note(node, witness, size=size, published=size)
    return None


def _ask(node: Node, witness: Witness, note: bytes, old: int, size: int) -> None:
    """Ask once, with the proof from what the witness saw last; keep its line."""
    with node.register.read() as session:
        now = ledger.size(session)
        if old > now:
            raise LedgerBehindError(size=now, held=old, holder=witness.url)
        if old > size:
            return  # somebody else of this home has shown it a newer one meanwhile
        proof = log.consistency_proof(Hashes(session), old, size) if 0 < old < size else []
    timeout = timedelta(seconds=node.settings.ledger.witness_timeout_seconds)
    lines = add_checkpoint(witness.url, old, proof, note, timeout)
    answer = "".join(item.line for item in lines).encode()
    signed = add_cosignatures(Note.parse(note), answer, [witness.vkey])
    line = next(item for item in signed.signatures if witness.vkey.claims(item))
    with node.register.write() as session:
        ledger.add_cosignature(session, size, str(witness.vkey), line.line.rstrip("\n"), node.clock.now())


def seen(node: Node, witness: Witness) -> Checkpoint | None:
    """Return the checkpoint that a witness cosigned last; None if it has seen none.

    Raises WitnessingError, and LedgerForeignError for one that log or witness did not sign.
    """
    its_log = node.log
    timeout = timedelta(seconds=node.settings.ledger.witness_timeout_seconds)
    data = latest(witness.url, its_log.origin, timeout)
    if data is None:
        return None
    try:
        opened = open_note(data, [its_log.vkey], [witness.vkey])
    except NoteError as error:
        raise LedgerForeignError(key=witness.url, problem=str(error)) from error
    if not opened.witnesses or opened.checkpoint.origin != its_log.origin:
        raise LedgerForeignError(key=witness.url, problem="the witness has not signed it for this log")
    return opened.checkpoint


def show_fork(node: Node, witness: Witness, size: int) -> None:
    """Let a witness that cosigned another history have ours, signed at the same size, as evidence of both."""
    its_log = node.log
    if its_log.key is None:
        return
    with node.register.read() as session:
        head = Checkpoint(its_log.origin, size, log.tree_root(Hashes(session), size))
    timeout = timedelta(seconds=node.settings.ledger.witness_timeout_seconds)
    with suppress(WitnessingError):  # it refuses, and keeps both
        add_checkpoint(witness.url, size, [], head.sign(its_log.key).spell(), timeout)


def _note(
    node: Node,
    witness: Witness,
    *,
    size: int | None = None,
    published: int | None = None,
    problem: str | None = None,
) -> None:
    with node.register.write() as session:
        at = node.clock.now()
        ledger.note_standing(session, witness.name, at, size=size, published=published, problem=problem)


def _alarm(node: Node, witness: Witness, error: SealdockError) -> None:
    from jobs.ledger.standing import alarm  # noqa: PLC0415 - it asks the witnesses, too

    alarm(node, witness.name, error.code)
