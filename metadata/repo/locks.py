"""Stored versions by when their locks end, and until when what they are kept for has to last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from metadata.models import Clip, Derivative, Sighting, StoredVersion
from metadata.retention import LegalDate


@dataclass(frozen=True, slots=True)
class Keeper:
    """What a version is kept for, and until when that must last at least."""

    legal: LegalDate
    clip: str | None
    """The clip's id; None where several clips share the version."""


def ending(
    session: Session, vault: str, before: datetime | None, after: StoredVersion | None, limit: int
) -> list[StoredVersion]:
    """Return the versions whose locks end before a date, the soonest first, a page at a time.

    Without those that were lost; those without a lock come first. ``before``: None for all. ``after``: the
    last version of the page before.
    """
    date, key = StoredVersion.lock_until, StoredVersion.id
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.lost_at.is_(None))
    if before is not None:
        query = query.where(or_(date.is_(None), date < before))
    if after is not None and after.lock_until is None:
        query = query.where(or_(date.is_not(None), key > after.id))
    elif after is not None:
        query = query.where(or_(date > after.lock_until, and_(date == after.lock_until, key > after.id)))
    return list(session.scalars(query.order_by(date.nulls_first(), key).limit(limit)))


def of_objects(session: Session, digests: Iterable[str]) -> dict[str, Keeper]:
    """Return what objects are kept for, by their digests: the sealed clips that share them."""
    query = select(Clip.sha256, *_LATEST).where(Clip.sha256.in_(list(digests)), _SEALED)
    return _keepers(session.execute(query.group_by(Clip.sha256)))


def of_dockings(session: Session, dockings: Iterable[str]) -> dict[str, Keeper]:
    """Return what the documents of dockings are kept for, by the dockings' ids: the clips they speak of."""
    seen = Sighting.docking_id
    query = select(seen, *_LATEST).join(Clip, Clip.id == Sighting.clip_id)
    return _keepers(session.execute(query.where(seen.in_(list(dockings)), _SEALED).group_by(seen)))


def of_derived(session: Session, digests: Iterable[str]) -> dict[str, Keeper]:
    """Return what poster frames are kept for, by their digests: the clips they show."""
    poster = Derivative.poster_sha256
    query = select(poster, *_LATEST).join(Clip, Clip.id == Derivative.clip_id)
    return _keepers(session.execute(query.where(poster.in_(list(digests)), _SEALED).group_by(poster)))


def of_clips(session: Session, clips: Iterable[str]) -> dict[str, Keeper]:
    """Return what the events of clips are kept for, by the clips' ids: the clips themselves."""
    query = select(Clip.id, *_LATEST).where(Clip.id.in_(list(clips))).group_by(Clip.id)
    return _keepers(session.execute(query))


LEDGER = Keeper(LegalDate(None, permanent=True), None)
"""What the ledger is kept for: it has no end."""

_SEALED: ColumnElement[bool] = Clip.manifest_sha256.is_not(None)
_LATEST = (
    func.max(Clip.retain_until),
    func.max(case((Clip.permanent, 1), else_=0)),
    func.count(),
    func.min(Clip.id),
)


def _keepers(rows: Iterable[tuple[str, datetime | None, int, int, str]]) -> dict[str, Keeper]:
    return {
        name: Keeper(
            LegalDate(None if permanent else until, permanent=bool(permanent)), clip if count == 1 else None
        )
        for name, until, permanent, count, clip in rows
    }
