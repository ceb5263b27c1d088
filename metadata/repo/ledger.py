"""The Merkle log over the custody events: its hashes, its checkpoints, and who has seen them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from config.errors import LedgerDamagedError
from hashing.merkle import HASH_SIZE
from metadata.events import EventKind
from metadata.models import CustodyEvent, LedgerCheckpoint, LedgerCosignature, LedgerNode, LedgerStanding

REGISTER = "register"
"""Name of the bundle with the events of no clip."""

_PAGE = 1000
_LEAVES = (
    select(CustodyEvent.leaf_hash)
    .where(CustodyEvent.sequence.between(bindparam("first"), bindparam("last")))
    .order_by(CustodyEvent.sequence)
)
_NODES = (
    select(LedgerNode.hash)
    .where(
        LedgerNode.level == bindparam("level"),
        LedgerNode.position.between(bindparam("first"), bindparam("last")),
    )
    .order_by(LedgerNode.position)
)
_LAST = select(func.max(CustodyEvent.sequence))


class Hashes:
    """The hashes of the log in one session: a ``hashing.log.HashStore``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def subtrees(self, level: int, first: int, count: int) -> bytes:
        """Return hashes of complete subtrees, 32 bytes each. Raises LedgerDamagedError if some are gone."""
        span = {"first": first, "last": first + count - 1}
        if level == 0:
            found = b"".join(self._session.scalars(_LEAVES, span))
        else:
            found = b"".join(self._session.scalars(_NODES, {"level": level, **span}))
        if len(found) != count * HASH_SIZE:
            raise LedgerDamagedError(level=level, first=first)
        return found


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as the log has it: its number, canonical bytes and salt, and the clip it is about."""

    sequence: int
    clip: str | None
    body: bytes
    salt: bytes


def size(session: Session) -> int:
    """Return how many events the log has."""
    last = session.scalar(_LAST)
    return 0 if last is None else last + 1


def replayed(session: Session) -> list[range]:
    """Return the numbers of the events that came back from a vault, when it was caught up or made anew."""
    kinds = [EventKind.CAUGHT_UP.value, EventKind.REBUILT.value]
    bodies = session.scalars(select(CustodyEvent.body).where(CustodyEvent.kind.in_(kinds)))
    return [range(facts["first"], facts["size"]) for facts in (json.loads(body)["facts"] for body in bodies)]


def by_subject(session: Session, first: int, end: int) -> Iterator[Logged]:
    """Walk the events from ``first`` to before ``end``, those of one clip after the other, in order.

    Those of no clip come last.
    """
    query = (
        select(CustodyEvent.sequence, CustodyEvent.clip_id, CustodyEvent.body, CustodyEvent.salt)
        .where(CustodyEvent.sequence >= first, CustodyEvent.sequence < end)
        .order_by(CustodyEvent.clip_id.is_(None), CustodyEvent.clip_id, CustodyEvent.sequence)
        .execution_options(yield_per=_PAGE)
    )
    for row in session.execute(query):
        yield Logged(*row)


def of_subject(session: Session, clip: str | None, first: int, end: int) -> Iterator[Logged]:
    """Walk the events of one clip, or of none, from ``first`` to before ``end``, in order."""
    query = (
        select(CustodyEvent.sequence, CustodyEvent.clip_id, CustodyEvent.body, CustodyEvent.salt)
        .where(CustodyEvent.sequence >= first, CustodyEvent.sequence < end, CustodyEvent.clip_id == clip)
        .order_by(CustodyEvent.sequence)
        .execution_options(yield_per=_PAGE)
    )
    for row in session.execute(query):
        yield Logged(*row)


def checkpoint(session: Session, at_size: int) -> bytes | None:
    """Return the note that was signed at a size."""
    found = session.get(LedgerCheckpoint, at_size)
    return None if found is None else found.note


def add_checkpoint(session: Session, at_size: int, note: bytes, at: datetime) -> None:
    """Keep a note that was signed; a repeat changes nothing."""
    if session.get(LedgerCheckpoint, at_size) is None:
        session.add(LedgerCheckpoint(size=at_size, note=note, at=at))
        session.flush()


def checkpoints(session: Session, below: int | None = None) -> Iterator[LedgerCheckpoint]:
    """Walk the checkpoints, the newest first; with ``below`` only those of smaller sizes."""
    query = select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc())
    if below is not None:
        query = query.where(LedgerCheckpoint.size < below)
    yield from session.scalars(query.execution_options(yield_per=_PAGE))


def cosignatures(session: Session, at_size: int) -> list[LedgerCosignature]:
    """Return who cosigned the checkpoint of a size."""
    query = select(LedgerCosignature).where(LedgerCosignature.size == at_size)
    return list(session.scalars(query.order_by(LedgerCosignature.witness)))


def newest_cosigned(session: Session, witness: str) -> int:
    """Return the size of the largest checkpoint that a witness has cosigned; 0 if none."""
    query = select(func.max(LedgerCosignature.size)).where(LedgerCosignature.witness == witness)
    return session.scalar(query) or 0


def add_cosignature(session: Session, at_size: int, witness: str, line: str, at: datetime) -> bool:
    """Keep a witness's line; False if its line for this size is there already."""
    if session.get(LedgerCosignature, (at_size, witness)) is not None:
        return False
    session.add(LedgerCosignature(size=at_size, witness=witness, line=line, at=at))
    session.flush()
    return True


def standing(session: Session, holder: str) -> LedgerStanding | None:
    """Return what was last found when the log was compared with what a vault or witness holds."""
    return session.get(LedgerStanding, holder)


def standings(session: Session) -> list[LedgerStanding]:
    """Return all of them, by the holders' names."""
    return list(session.scalars(select(LedgerStanding).order_by(LedgerStanding.holder)))


def note_standing(
    session: Session,
    holder: str,
    at: datetime,
    *,
    size: int | None = None,
    published: int | None = None,
    problem: str | None = None,
) -> None:
    """Note that a holder was asked: ``problem`` if it did not answer, else what it holds."""
    row = session.get(LedgerStanding, holder)
    if row is None:
        row = LedgerStanding(holder=holder, asked_at=at, size=0, published=0)
        session.add(row)
    row.asked_at, row.problem = at, problem
    if problem is None:
        row.answered_at = at
    if size is not None:
        row.size = size
    if published is not None:
        row.published = max(row.published or 0, published)
    session.flush()
