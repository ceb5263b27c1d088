"""Cases, their windows, links and the work list of ambiguous ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import AlreadyLinkedError, CaseExistsError, CaseNotFoundError
from metadata import casenumber
from metadata.linking import Window
from metadata.models import Case, CaseWindow, Link, LinkCandidate


def get(session: Session, number: str) -> Case:
    """Return the case with this number, in whatever form it is written."""
    found = session.scalar(select(Case).where(Case.number == casenumber.normalise(number)))
    if found is None:
        raise CaseNotFoundError(number=number)
    return found


def add(session: Session, number: str, title: str | None, actor: dict[str, Any], at: datetime) -> Case:
    """Add a case; raises CaseExistsError."""
    normal = casenumber.normalise(number)
    if session.scalar(select(Case.id).where(Case.number == normal)) is not None:
        raise CaseExistsError(number=normal)
    row = Case(
        id=str(ULID()), number=normal, number_as_written=number, title=title, created_at=at, actor=actor
    )
    session.add(row)
    session.flush()
    return row


def add_window(
    session: Session, case_id: str, officer_id: str, starts_at: datetime, ends_at: datetime
) -> CaseWindow | None:
    """Add a window; None if the very same stands already."""
    same = select(CaseWindow.id).where(
        CaseWindow.case_id == case_id,
        CaseWindow.officer_id == officer_id,
        CaseWindow.starts_at == starts_at,
        CaseWindow.ends_at == ends_at,
    )
    if session.scalar(same) is not None:
        return None
    row = CaseWindow(
        id=str(ULID()), case_id=case_id, officer_id=officer_id, starts_at=starts_at, ends_at=ends_at
    )
    session.add(row)
    session.flush()
    return row


def windows(session: Session, officer_id: str) -> list[Window]:
    """Return an officer's windows in all cases."""
    rows = session.scalars(select(CaseWindow).where(CaseWindow.officer_id == officer_id))
    return [Window(row.case_id, row.officer_id, row.starts_at, row.ends_at) for row in rows]


def windows_of(session: Session, case_id: str) -> list[CaseWindow]:
    """Return a case's windows in order of time."""
    query = select(CaseWindow).where(CaseWindow.case_id == case_id).order_by(CaseWindow.starts_at)
    return list(session.scalars(query))


def all_cases(session: Session) -> list[tuple[Case, int]]:
    """Return every case with the number of clips that belong to it."""
    count = (
        select(func.count(Link.id)).where(Link.case_id == Case.id, Link.ended_at.is_(None)).scalar_subquery()
    )
    return [(row[0], row[1]) for row in session.execute(select(Case, count).order_by(Case.number))]


def current_link(session: Session, clip_id: str) -> tuple[Link, Case] | None:
    """Return the clip's case, if it has one."""
    row = session.execute(
        select(Link, Case)
        .join(Case, Case.id == Link.case_id)
        .where(Link.clip_id == clip_id, Link.ended_at.is_(None))
    ).first()
    return None if row is None else (row[0], row[1])


def link(
    session: Session,
    clip_id: str,
    case: Case,
    method: str,
    actor: dict[str, Any],
    at: datetime,
    *,
    move: bool = False,
) -> tuple[Link | None, Case | None]:
    """Make a clip belong to a case.

    Returns the new link (None if it stands already) and the case it was moved from. A clip of
    another case raises AlreadyLinkedError unless ``move``; the old link is ended, not erased.
    """
    current = current_link(session, clip_id)
    left: Case | None = None
    if current is not None:
        old, old_case = current
        if old_case.id == case.id:
            return None, None
        if not move:
            raise AlreadyLinkedError(clip=clip_id, case=old_case.number)
        old.ended_at = at
        left = old_case
        session.flush()
    row = Link(id=str(ULID()), clip_id=clip_id, case_id=case.id, method=method, actor=actor, at=at)
    session.add(row)
    _forget_candidates(session, clip_id)
    session.flush()
    return row, left


def note_candidates(session: Session, clip_id: str, case_ids: Sequence[str], at: datetime) -> bool:
    """Put a clip on the work list; False if exactly these candidates stand there already."""
    query = select(LinkCandidate.case_id).where(LinkCandidate.clip_id == clip_id)
    if sorted(session.scalars(query)) == sorted(case_ids):
        return False
    _forget_candidates(session, clip_id)
    session.flush()
    session.add_all(LinkCandidate(clip_id=clip_id, case_id=case_id, found_at=at) for case_id in case_ids)
    session.flush()
    return True


def _forget_candidates(session: Session, clip_id: str) -> None:
    for row in session.scalars(select(LinkCandidate).where(LinkCandidate.clip_id == clip_id)):
        session.delete(row)


def candidates(session: Session, clip_id: str) -> list[str]:
    """Return the numbers of the cases that a clip might belong to."""
    query = (
        select(Case.number)
        .join(LinkCandidate, LinkCandidate.case_id == Case.id)
        .where(LinkCandidate.clip_id == clip_id)
        .order_by(Case.number)
    )
    return list(session.scalars(query))
