"""Figures about the whole register, for who watches the station: a handful of queries, no rows of clips."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from metadata.models import Clip, Docking, StoredKind, StoredVersion
from metadata.repo import integrity, ledger, objects
from metadata.states import SAFE

_SAFE = [state.value for state in SAFE]


@dataclass(frozen=True, slots=True)
class ShortestLock:
    """The lock that ends first of those that should reach further: its end, and the clip's legal date."""

    until: datetime | None
    """None: there is no lock at all."""
    retain_until: datetime | None
    permanent: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """How the register stands. Times are UTC."""

    clips: dict[str, int]
    """Clips by state."""
    oldest: dict[str, datetime]
    """When the oldest clip of each state that is not safe was found."""
    reasons: dict[tuple[str, str], int]
    """Clips that are not safe by state and reason, where there is one."""
    unverified: datetime | None
    """When the original that was read longest ago was read; at the latest when it was stored."""
    lock: ShortestLock | None
    """None if every lock reaches as far as it should."""
    alerts: dict[str, int]
    """Alerts that nobody has acknowledged and that have not ended by themselves, by kind."""
    standing: frozenset[str]
    """Kinds of alerts whose cause has not gone by itself, acknowledged or not."""
    dockings: int
    """Dockings without a close-out."""
    lacking: int | None
    """Keys of which the main vault confirmed a version and the second one did not; None without one."""
    events: int
    """Events of the log."""
    held: dict[str, int]
    """How many of them vaults and witnesses hold a checkpoint of, by their names."""


def figures(session: Session, *, cap: datetime, second: str | None = None) -> Figures:
    """Return the figures; no lock has to reach further than ``cap``. ``second`` names the second vault."""
    states = session.execute(
        select(Clip.state, func.count(), func.min(Clip.created_at)).group_by(Clip.state)
    ).all()
    reasons = session.execute(
        select(Clip.state, Clip.reason, func.count())
        .where(Clip.state.not_in(_SAFE), Clip.reason.is_not(None))
        .group_by(Clip.state, Clip.reason)
    )
    return Figures(
        clips={state: count for state, count, _ in states},
        oldest={state: first for state, _, first in states if state not in _SAFE},
        reasons={(state, str(reason)): count for state, reason, count in reasons},
        unverified=_unverified(session),
        lock=_shortest_lock(session, cap),
        alerts=integrity.alert_counts(session),
        standing=integrity.standing(session),
        dockings=session.scalar(select(func.count()).select_from(Docking).where(Docking.close.is_(None)))
        or 0,
        lacking=None if second is None else objects.lacking(session, "main", second),
        events=ledger.size(session),
        held={row.holder: row.size for row in ledger.standings(session)},
    )


def _current() -> ColumnElement[bool]:
    """Return the condition that a version is an original, and the newest that the register has of its key."""
    newer = aliased(StoredVersion)
    replaced = exists().where(
        newer.vault == StoredVersion.vault,
        newer.key == StoredVersion.key,
        newer.id > StoredVersion.id,
        newer.lost_at.is_(None),
    )
    return and_(StoredVersion.kind == StoredKind.ORIGINAL.value, StoredVersion.lost_at.is_(None), ~replaced)


def _unverified(session: Session) -> datetime | None:
    never = select(func.min(StoredVersion.created_at)).where(_current(), StoredVersion.verified_at.is_(None))
    once = select(func.min(StoredVersion.verified_at)).where(_current())
    times = [session.scalar(never), session.scalar(once)]
    return min((at for at in times if at is not None), default=None)


def _shortest_lock(session: Session, cap: datetime) -> ShortestLock | None:
    until = StoredVersion.lock_until
    query = (
        select(until, Clip.retain_until, Clip.permanent)
        .join(Clip, Clip.sha256 == StoredVersion.sha256)
        .where(
            _current(),
            Clip.state.in_(_SAFE),
            or_(until.is_(None), until < cap),
            or_(until.is_(None), Clip.permanent, Clip.retain_until > until),
        )
        .order_by(until.nulls_first())
        .limit(1)
    )
    row = session.execute(query).first()
    return None if row is None else ShortestLock(*row)
