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

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from hashing import canonical
from hashing.merkle import leaf_hash
from metadata.actor import Actor
from metadata.models import CustodyEvent

SCHEMA = "sealdock.event/1"
SALT_BYTES = 32

# Each clip has several events, hence statements that are built once, past the unit of work.
_TABLE = CustodyEvent.__table__
_LAST = select(func.max(_TABLE.c.sequence))
_INSERT = insert(CustodyEvent.__table__)  # type: ignore[arg-type]


class EventKind(StrEnum):
    """What happened."""

    INITIALISED = "initialised"
    STATION_JOINED = "station-joined"
    INVENTORIED = "inventoried"
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
    must hold the register's write lock, since the sequence has no gaps.
    """
    about = subject or clip or docking
    if about is None:
        raise ValueError("an event is about a clip, a docking or a named subject")
    session.flush()  # what the event is about comes first
    connection = session.connection()
    last = connection.scalar(_LAST)
    sequence = 0 if last is None else last + 1
    body = canonical.encode(
        {
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
    )
    salt = secrets.token_bytes(SALT_BYTES)
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
        "leaf_hash": leaf_hash(entry(salt, body)),
    }
    connection.execute(_INSERT, row)
    return sequence


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
