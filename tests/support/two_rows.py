"""Two rows in each table of the register whose rows are not to go, and what must not work on them."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from metadata import events
from metadata.events import EventKind
from metadata.models import (
    Alert,
    AlertAcknowledgement,
    Assignment,
    Base,
    Case,
    CaseWindow,
    Hold,
    IntegrityResult,
    IntegrityRun,
    LedgerCheckpoint,
    LedgerCosignature,
    LedgerNode,
    Link,
    Seal,
    SealTimestamp,
    Sighting,
    SigningKey,
    StoredVersion,
    Tag,
)
from tests.support.register import ACTOR, AT, DOCKING, RECORDER, STATION, add_clip, add_officer

APPEND_ONLY = (
    "alert_acknowledgement",
    "custody_event",
    "integrity_result",
    "ledger_checkpoint",
    "ledger_cosignature",
    "ledger_node",
    "seal",
    "tag",
)
REPLACEABLE = {"link_candidate", "progress", "derivative", "ledger_standing"}

# Every unique key of each table beside its hidden row number.
KEYS = {
    "alert": [("id",)],
    "alert_acknowledgement": [("id",), ("alert_id",)],
    "assignment": [("id",)],
    "case_window": [("id",), ("case_id", "officer_id", "starts_at", "ends_at")],
    "clip": [("id",)],
    "custody_event": [("sequence",), ("subject", "kind", "attempt")],
    "docking": [("id",)],
    "enforcement_case": [("id",), ("number",)],
    "hold": [("id",), ("clip_id",)],
    "integrity_result": [("id",)],
    "integrity_run": [("id",)],
    "ledger_checkpoint": [("size",)],
    "ledger_cosignature": [("size", "witness")],
    "ledger_node": [("level", "position")],
    "link": [("id",), ("clip_id",)],
    "object": [("sha256",)],
    "officer": [("id",)],
    "recorder": [("id",), ("identity",)],
    "seal": [("manifest_sha256",)],
    "seal_timestamp": [("manifest_sha256",)],
    "sighting": [("id",), ("docking_id", "position")],
    "signing_key": [("id",)],
    "station": [("id",)],
    "stored_version": [("id",), ("vault", "key", "version")],
    "tag": [("id",), ("clip_id", "category")],
}


class Undone(Exception):  # noqa: N818 - no error: it rolls back what a test tried
    """Raised at the end of a test."""


def digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()


def fill(session: Session, mark: str) -> None:
    actor: dict[str, Any] = ACTOR.to_json()
    if mark == "2":
        session.execute(
            text("INSERT INTO station (id, name, created_at) SELECT id || 'b', name, created_at FROM station")
        )
        session.execute(
            text(
                "INSERT INTO recorder (id, identity, serial, profile, claimed, accepted, first_seen)"
                " SELECT id || 'b', identity || 'b', serial, profile, claimed, accepted, first_seen"
                " FROM recorder"
            )
        )
        columns = ", ".join(c.name for c in Base.metadata.tables["docking"].columns if c.name != "id")
        session.execute(text(f"INSERT INTO docking (id, {columns}) SELECT id || 'b', {columns} FROM docking"))
    clip = add_clip(session, f"clip-{mark}", sha256=digest(f"bytes {mark}"))
    officer = add_officer(session, f"officer-{mark}")
    case = Case(
        id=f"case-{mark}", number=mark, number_as_written=mark, title=None, created_at=AT, actor=actor
    )
    run = IntegrityRun(id=f"run-{mark}", level="full", actor=actor, started_at=AT, checked=0, failed=0)
    key = SigningKey(
        id=digest(f"key {mark}"),
        station_id=STATION,
        purpose="station",
        certificate=b"",
        chain=b"",
        not_before=AT,
        not_after=AT,
        created_at=AT,
    )
    session.add_all([case, run, key, LedgerCheckpoint(size=int(mark), note=b"note", at=AT)])
    session.flush()
    seal = digest(f"manifest {mark}")
    session.add(
        Seal(
            manifest_sha256=seal,
            clip_id=clip.id,
            manifest=b"{}",
            signature=b"",
            key_id=key.id,
            timestamp_wanted=True,
            created_at=AT,
        )
    )
    session.flush()
    session.add_all(
        [
            LedgerCosignature(size=int(mark), witness=f"w{mark}", line="", at=AT),
            LedgerNode(level=1, position=int(mark), hash=bytes(32)),
            SealTimestamp(manifest_sha256=seal, signature=b"", authority="", time=AT),
            Alert(id=f"alert-{mark}", kind="k", clip_id=clip.id, facts={}, at=AT),
            Assignment(id=f"as-{mark}", recorder_id=RECORDER, officer_id=officer, starts_at=AT),
            CaseWindow(
                id=f"w-{mark}",
                case_id=case.id,
                officer_id=officer,
                starts_at=AT,
                ends_at=AT + timedelta(hours=1),
            ),
            Hold(id=f"hold-{mark}", clip_id=clip.id, reason="r", actor=actor, at=AT),
            Link(id=f"link-{mark}", clip_id=clip.id, case_id=case.id, method="auto", actor=actor, at=AT),
            IntegrityResult(
                id=f"result-{mark}", run_id=run.id, clip_id=clip.id, problem=None, bytes_read=1, at=AT
            ),
            Sighting(
                id=f"seen-{mark}",
                docking_id=DOCKING,
                position=int(mark),
                clip_id=clip.id,
                size=1,
                mtime_ns=0,
                outcome="read",
            ),
            StoredVersion(
                id=f"version-{mark}",
                vault="file:///v",
                key=f"k{mark}",
                version="1",
                kind="original",
                sha256=digest(mark),
                size=1,
                lock_mode="advisory",
                created_at=AT,
            ),
            Tag(id=f"tag-{mark}", clip_id=clip.id, category="routine", actor=actor, at=AT),
        ]
    )
    session.flush()
    session.add(
        AlertAcknowledgement(id=f"ack-{mark}", alert_id=f"alert-{mark}", actor=actor, note="n", at=AT)
    )
    session.flush()
    events.append(session, EventKind.TAGGED, ACTOR, AT, attempt=mark, clip=clip.id)


def rows(session: Session, table: str) -> list[str]:
    return sorted(repr(tuple(row)) for row in session.execute(text(f"SELECT * FROM {table}")))


def refused(session: Session, table: str, statement: str) -> None:
    """The statement must fail by a trigger's word, and the table must stay as it is."""
    before = rows(session, table)
    assert len(before) == 2
    with pytest.raises(IntegrityError, match=r"append-only|never deleted"), session.begin_nested():
        session.execute(text(statement))
    assert rows(session, table) == before
