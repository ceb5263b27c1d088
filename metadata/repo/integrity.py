"""Integrity runs, alerts and derivatives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from ulid import ULID

from metadata.models import Alert, Clip, Derivative, StoredKind, StoredVersion
from metadata.states import SAFE


def stalest(session: Session, vault: str) -> list[str]:
    """Return the digests of all objects of safe clips, the one verified longest ago first.

    Objects never verified come first, the oldest of them leading.
    """
    query = (
        select(StoredVersion.sha256)
        .where(StoredVersion.vault == vault, StoredVersion.kind == StoredKind.ORIGINAL.value)
        .order_by(StoredVersion.verified_at.nulls_first(), StoredVersion.id)
    )
    return list(session.scalars(query))


def docking_documents(session: Session, vault: str) -> list[StoredVersion]:
    """Return the versions of inventories, close-outs and their seals, the one checked longest ago first."""
    kinds = [StoredKind.INVENTORY.value, StoredKind.CLOSE.value, StoredKind.DOCKING_SEAL.value]
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.kind.in_(kinds))
    return list(session.scalars(query.order_by(StoredVersion.verified_at.nulls_first(), StoredVersion.id)))


def safe_clips(session: Session, sha256: str) -> list[Clip]:
    """Return the confirmed and released clips that share an object."""
    query = select(Clip).where(Clip.sha256 == sha256, Clip.state.in_([state.value for state in SAFE]))
    return list(session.scalars(query.order_by(Clip.id)))


def raise_alert(
    session: Session, kind: str, at: datetime, *, clip: str | None = None, facts: Mapping[str, Any]
) -> Alert:
    """Add an alert."""
    row = Alert(id=str(ULID()), kind=kind, clip_id=clip, facts=dict(facts), at=at)
    session.add(row)
    session.flush()
    return row


def has_alert(session: Session, kind: str, facts: Mapping[str, Any]) -> bool:
    """Tell whether an alert of this kind with exactly these facts stands already."""
    return any(row.facts == facts for row in session.scalars(select(Alert).where(Alert.kind == kind)))


def alerts(session: Session, limit: int = 50) -> list[Alert]:
    """Return the newest alerts."""
    return list(session.scalars(select(Alert).order_by(Alert.id.desc()).limit(limit)))


def alert_counts(session: Session) -> dict[str, int]:
    """Return how many alerts there are of each kind."""
    return {row[0]: row[1] for row in session.execute(select(Alert.kind, func.count()).group_by(Alert.kind))}


def underived(session: Session, limit: int = 10_000) -> list[str]:
    """Return ids of safe pictures-bearing clips that nothing was derived from yet."""
    query = (
        select(Clip.id)
        .outerjoin(Derivative, Derivative.clip_id == Clip.id)
        .where(
            Derivative.clip_id.is_(None),
            Clip.state.in_([state.value for state in SAFE]),
            Clip.kind.in_(["video", "still"]),
        )
        .order_by(Clip.id)
        .limit(limit)
    )
    return list(session.scalars(query))
