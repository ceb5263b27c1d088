"""Seals, their timestamps and the keys that made them."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from metadata.models import Seal, SealTimestamp, SigningKey


def get(session: Session, manifest_sha256: str) -> Seal:
    """Return a seal that the register refers to."""
    found = session.get(Seal, manifest_sha256)
    if found is None:
        raise LookupError(f"no seal for manifest {manifest_sha256}")
    return found


def pending(session: Session, limit: int = 1000) -> list[Seal]:
    """Return seals that still want a timestamp, oldest first."""
    query = (
        select(Seal)
        .outerjoin(SealTimestamp, SealTimestamp.manifest_sha256 == Seal.manifest_sha256)
        .where(Seal.timestamp_wanted, SealTimestamp.manifest_sha256.is_(None))
        .order_by(Seal.created_at)
        .limit(limit)
    )
    return list(session.scalars(query))


def unstored(session: Session) -> list[SealTimestamp]:
    """Return timestamps whose vault object has not been confirmed."""
    return list(session.scalars(select(SealTimestamp).where(SealTimestamp.stored.is_(False))))


def timestamp_counts(session: Session) -> dict[str, int]:
    """Return how many seals carry a timestamp, and how many wait for one."""
    wanted = session.scalar(select(func.count()).select_from(Seal).where(Seal.timestamp_wanted)) or 0
    have = session.scalar(select(func.count()).select_from(SealTimestamp)) or 0
    return {"timestamped": have, "pending": max(0, wanted - have)}


def keys(session: Session) -> list[SigningKey]:
    """Return every key, oldest first."""
    return list(session.scalars(select(SigningKey).order_by(SigningKey.created_at)))


def add_key(session: Session, row: SigningKey) -> bool:
    """Add a key; False if it is known already."""
    if session.get(SigningKey, row.id) is not None:
        return False
    session.add(row)
    session.flush()
    return True


def retire(session: Session, key_id: str, at: datetime) -> None:
    """Mark a key as no longer signing."""
    row = session.get(SigningKey, key_id)
    if row is not None and row.retired_at is None:
        row.retired_at = at
