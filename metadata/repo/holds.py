"""Legal holds on clips, and the objects that they keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from ulid import ULID

from metadata.models import Case, Clip, Hold

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """A hold that stands, with what people call its clip and its case."""

    clip: str
    path: str
    sha256: str | None
    case: str | None
    reason: str
    actor: dict[str, Any]
    at: datetime


def set_hold(
    session: Session, clip: Clip, case: Case | None, reason: str, actor: dict[str, Any], at: datetime
) -> Hold | None:
    """Hold a clip; None if it is held already, for this case or, without one, for none."""
    if current(session, clip.id, case) is not None:
        return None
    row = Hold(
        id=str(ULID()),
        clip_id=clip.id,
        case_id=None if case is None else case.id,
        reason=reason,
        actor=actor,
        at=at,
    )
    session.add(row)
    session.flush()
    return row


def current(session: Session, clip_id: str, case: Case | None) -> Hold | None:
    """Return the hold that stands on a clip for a case, or for none."""
    query = select(Hold).where(
        Hold.clip_id == clip_id,
        Hold.ended_at.is_(None),
        Hold.case_id.is_(None) if case is None else Hold.case_id == case.id,
    )
    return session.scalars(query).one_or_none()


def is_held(session: Session, sha256: str) -> bool:
    """Tell whether a hold stands on any clip that shares this object."""
    query = select(Hold.id).join(Clip, Clip.id == Hold.clip_id)
    return session.scalar(query.where(Clip.sha256 == sha256, Hold.ended_at.is_(None)).limit(1)) is not None


def held_clips(session: Session, clip_ids: Sequence[str]) -> set[str]:
    """Return those of the clips on which a hold stands."""
    found: set[str] = set()
    for start in range(0, len(clip_ids), _PAGE):
        page = clip_ids[start : start + _PAGE]
        query = select(Hold.clip_id).where(Hold.clip_id.in_(page), Hold.ended_at.is_(None))
        found.update(session.scalars(query))
    return found


def count(session: Session) -> int:
    """Return how many holds stand."""
    return session.scalar(select(func.count()).select_from(Hold).where(Hold.ended_at.is_(None))) or 0


def standing(session: Session, case: Case | None = None) -> list[Held]:
    """Return the holds that stand, the oldest first; with ``case`` only those for it."""
    query = (
        select(Clip.id, Clip.path, Clip.sha256, Case.number, Hold.reason, Hold.actor, Hold.at)
        .select_from(Hold)
        .join(Clip, Clip.id == Hold.clip_id)
        .outerjoin(Case, Case.id == Hold.case_id)
        .where(Hold.ended_at.is_(None))
    )
    if case is not None:
        query = query.where(Hold.case_id == case.id)
    return [Held(*row) for row in session.execute(query.order_by(Hold.id))]


def held_objects(session: Session, after: str) -> list[str]:
    """Return the digests of objects of which a clip is held, ascending, a page after the one given."""
    query = (
        select(Clip.sha256)
        .distinct()
        .join(Hold, Hold.clip_id == Clip.id)
        .where(Hold.ended_at.is_(None), Clip.sha256.is_not(None), Clip.sha256 > after)
    )
    return [digest for digest in session.scalars(query.order_by(Clip.sha256).limit(_PAGE)) if digest]
