"""Custody events. This module is their only writer; it appends in the caller's transaction.

An event is stored in the shape of a log entry (design, section 7): the canonical bytes, a salt of
32 random bytes, and the RFC 6962 leaf hash of SHA-256(salt || canonical bytes). The salt lets the
event's text expire some day while the log stands.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select
from sqlalchemy.orm import Session
from ulid import ULID

from hashing import canonical
from hashing.merkle import leaf_hash, root
from metadata.actor import Actor
from metadata.changes import WritingSession
from metadata.models import CustodyEvent, LedgerNode

SCHEMA = "sealdock.event/1"
SALT_BYTES = 32

# Each clip has several events, hence statements that are built once, past the unit of work.
_TABLE = CustodyEvent.__table__
_LAST = select(func.max(_TABLE.c.sequence))
_INSERT = insert(CustodyEvent.__table__)  # type: ignore[arg-type]
_LEAVES = (
    select(_TABLE.c.leaf_hash)
    .where(_TABLE.c.sequence.between(bindparam("first"), bindparam("last")))
    .order_by(_TABLE.c.sequence)
)
_NODE = insert(LedgerNode.__table__)  # type: ignore[arg-type]
_NODES = (
    select(LedgerNode.hash)
    .where(LedgerNode.level == bindparam("level"))
    .where(LedgerNode.position.between(bindparam("first"), bindparam("last")))
    .order_by(LedgerNode.position)
)

TILE_WIDTH = 256
"""Leaves under one node of level 1, nodes under one of the next (C2SP tlog-tiles, height 8)."""


class EventKind(StrEnum):
    """What happened."""

    INITIALISED = "initialised"
    STATION_JOINED = "station-joined"
    CONFIGURED = "configured"
    INVENTORIED = "inventoried"
    FOUND = "found"
    OFFLOADED = "offloaded"
    SEALED = "sealed"
    TIMESTAMPED = "timestamped"
    STORED = "stored"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    WAITING = "waiting"
    FOUND_AGAIN = "found-again"
    MISSING_AT_UNPLUG = "missing-at-unplug"
    QUARANTINED = "quarantined"
    REREAD = "reread"
    RESTORED = "restored"
    CLOSED = "closed"
    CLEARED = "cleared"
    CLEARING_REFUSED = "clearing-refused"
    TAGGED = "tagged"
    CASE_ADDED = "case-added"
    WINDOW_ADDED = "window-added"
    LINKED = "linked"
    UNLINKED = "unlinked"
    LINK_AMBIGUOUS = "link-ambiguous"
    LOCK_EXTENDED = "lock-extended"
    RETRIEVED = "retrieved"
    INTEGRITY_RUN = "integrity-run"
    INTEGRITY_FAILED = "integrity-failed"
    RECONCILED = "reconciled"
    COPIED = "copied"
    DERIVED = "derived"
    ASSIGNED = "assigned"
    RECORDER_ACCEPTED = "recorder-accepted"
    KEY_ADDED = "key-added"
    KEY_RETIRED = "key-retired"
    KEY_TRUSTED = "key-trusted"
    CLOCK_CONFIRMED = "clock-confirmed"
    ALERT_ACKNOWLEDGED = "alert-acknowledged"
    PREFLIGHT = "preflight"
    HOLD_SET = "hold-set"
    HOLD_RELEASED = "hold-released"
    NOTED = "noted"
    CAUGHT_UP = "caught-up"
    REBUILT = "rebuilt"


def append(
    session: Session,
    kind: EventKind,
    actor: Actor,
    at: datetime,
    *,
    attempt: str,
    clip: str | None = None,
    docking: str | None = None,
    subject: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Append one event and return its sequence number.

    The key (subject, kind, attempt) is unique: a step that is repeated after a crash cannot log
    its event twice. ``subject`` defaults to the clip, else the docking. The caller's transaction
    must hold the register's write lock, since the sequence has no gaps. The event takes along what the
    transaction has written since its last one (metadata.changes).
    """
    about = subject or clip or docking
    if about is None:
        raise ValueError("an event is about a clip, a docking or a named subject")
    if not isinstance(session, WritingSession):
        raise TypeError("events are appended in a transaction of Register.write")
    session.flush()  # what the event is about comes first
    connection = session.connection()
    sequence = session.next_sequence
    if sequence is None:
        last = connection.scalar(_LAST)
        sequence = 0 if last is None else last + 1
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "sequence": sequence,
        "kind": kind.value,
        "at": at,
        "actor": actor.to_json(),
        "subject": about,
        "attempt": attempt,
        "clip": clip,
        "docking": docking,
        "facts": dict(facts or {}),
    }
    rows, gone = session.take_changes()
    if rows:
        value["rows"] = rows
    if gone:
        value["gone"] = gone
    body = canonical.encode(value)
    salt = secrets.token_bytes(SALT_BYTES)
    leaf = leaf_hash(entry(salt, body))
    row = {
        "sequence": sequence,
        "kind": kind.value,
        "subject": about,
        "attempt": attempt,
        "clip_id": clip,
        "docking_id": docking,
        "at": at,
        "body": body,
        "salt": salt,
        "leaf_hash": leaf,
    }
    connection.execute(_INSERT, row)
    session.next_sequence = sequence + 1
    if (sequence + 1) % TILE_WIDTH == 0:
        _complete(connection, sequence)
    return sequence


def settle(session: WritingSession, actor: Actor, at: datetime) -> None:
    """Log what a transaction has written and no event of it holds; called before it commits."""
    session.flush()
    if session.has_changes:
        append(session, EventKind.NOTED, actor, at, attempt=str(ULID()), subject="register")


def _complete(connection: Connection, sequence: int) -> None:
    """Note the roots of the subtrees that leaf number ``sequence`` completes, so that proofs are short."""
    leaves = connection.scalars(_LEAVES, {"first": sequence - TILE_WIDTH + 1, "last": sequence})
    level, index = 1, sequence // TILE_WIDTH
    found = root(leaves)
    while True:
        connection.execute(_NODE, {"level": level, "position": index, "hash": found})
        if (index + 1) % TILE_WIDTH:
            return
        below = {"level": level, "first": index - TILE_WIDTH + 1, "last": index}
        found = root(connection.scalars(_NODES, below))
        level, index = level + 1, index // TILE_WIDTH


def entry(salt: bytes, body: bytes) -> bytes:
    """Return the 32 bytes that the log holds for an event: SHA-256(salt || canonical event)."""
    return hashlib.sha256(salt + body).digest()


def has(session: Session, kind: EventKind, *, subject: str, attempt: str) -> bool:
    """Tell whether the event with this key is already logged."""
    found = select(CustodyEvent.sequence).where(
        CustodyEvent.subject == subject,
        CustodyEvent.kind == kind.value,
        CustodyEvent.attempt == attempt,
    )
    return session.scalar(found) is not None


def last_facts(session: Session, kind: EventKind, *, subject: str) -> dict[str, Any] | None:
    """Return the facts of the last event of a kind on a subject; None without any."""
    query = select(CustodyEvent.body).where(CustodyEvent.subject == subject, CustodyEvent.kind == kind.value)
    body = session.scalar(query.order_by(CustodyEvent.sequence.desc()).limit(1))
    if body is None:
        return None
    facts: dict[str, Any] = canonical.decode(body)["facts"]
    return facts
