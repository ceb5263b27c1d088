"""What ``ledger show`` and ``status`` tell of the log."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import EventNotFoundError
from config.times import spelled
from hashing import log
from jobs.ledger import proving, publishing
from jobs.node import Node
from metadata.models import CustodyEvent, LedgerStanding
from metadata.repo import clips, ledger
from metadata.repo.ledger import Hashes


@dataclass(frozen=True, slots=True)
class Holder:
    """A vault or witness that holds checkpoints of the log, and what it said when it was last asked."""

    name: str
    size: int
    """Of the newest checkpoint that it holds."""
    asked_at: datetime
    answered_at: datetime | None
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the holder as a JSON document has it; times are for ``print_json`` to spell."""
        return {
            "name": self.name,
            "size": self.size,
            "asked_at": self.asked_at,
            "answered_at": self.answered_at,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """The log's head, who holds it, and events with their numbers, the oldest first."""

    origin: str
    size: int
    root: bytes
    checkpoint: int | None
    """Size of the last checkpoint that was signed."""
    holders: list[Holder]
    unchecked_since: datetime | None
    events: list[tuple[int, dict[str, Any]]]


def overview(node: Node, last: int, clip: str | None = None, kind: str | None = None) -> Overview:
    """Return the head of the log and its last events. Raises ClipNotFoundError and ClipAmbiguousError."""
    with node.register.read() as session:
        size = ledger.size(session)
        query = select(CustodyEvent.sequence, CustodyEvent.body)
        if clip is not None:
            query = query.where(CustodyEvent.clip_id == clips.resolve(session, clip).id)
        if kind is not None:
            query = query.where(CustodyEvent.kind == kind)
        rows = session.execute(query.order_by(CustodyEvent.sequence.desc()).limit(last)).all()
        newest = next(ledger.checkpoints(session), None)
        standings = ledger.standings(session)
        return Overview(
            node.log.origin,
            size,
            log.tree_root(Hashes(session), size),
            None if newest is None else newest.size,
            [_holder(row) for row in standings],
            unchecked_since(session),
            [(row[0], json.loads(row[1])) for row in reversed(rows)],
        )


def lag(session: Session) -> dict[str, Any]:
    """Return how far others hold the log, as ``status`` shows it."""
    unchecked = unchecked_since(session)
    return {
        "size": ledger.size(session),
        "holders": {
            row.holder: {"size": row.size, "problem": row.problem} for row in ledger.standings(session)
        },
        "unchecked_since": None if unchecked is None else spelled(unchecked),
    }


def unchecked_since(session: Session) -> datetime | None:
    """Return since when nobody could be asked what he holds of the log; None where the last one answered."""
    rows = ledger.standings(session)
    if any(row.problem is None for row in rows):
        return None
    return max((row.answered_at or row.asked_at for row in rows), default=None)


def newest_note(node: Node) -> str:
    """Return the newest checkpoint with the lines of its witnesses, signing one where this home may.

    Raises EventNotFoundError where there is none.
    """
    if node.log.key is not None:
        publishing.sign(node, node.log)
    with node.register.read() as session:
        newest = next(ledger.checkpoints(session), None)
        if newest is None:
            raise EventNotFoundError(event=0)
        return proving.whole_note(session, newest.size)


def _holder(row: LedgerStanding) -> Holder:
    return Holder(row.holder, row.size, row.asked_at, row.answered_at, row.problem)
