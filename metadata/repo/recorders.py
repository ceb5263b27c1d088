"""Stations, recorders, officers and assignments."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import AssignmentOverlapError, RecorderNotFoundError
from metadata.models import Assignment, Officer, Recorder, Station


def add_station(session: Session, station_id: str, name: str, at: datetime) -> bool:
    """Add a station; False if there is one of this name already."""
    if session.get(Station, station_id) is not None:
        return False
    session.add(Station(id=station_id, name=name, created_at=at))
    session.flush()
    return True


def has_station(session: Session, station_id: str) -> bool:
    """Tell whether a station of this name is known."""
    return session.get(Station, station_id) is not None


def is_officer(session: Session, officer_id: str) -> bool:
    """Tell whether an officer of this number is known."""
    return session.get(Officer, officer_id) is not None


def ensure_officer(session: Session, officer_id: str, at: datetime) -> Officer:
    """Return the officer, adding one that is known by number only."""
    found = session.get(Officer, officer_id)
    if found is None:
        found = Officer(id=officer_id, name=None, created_at=at)
        session.add(found)
        session.flush()
    return found


def with_identity(session: Session, identity: str) -> Recorder | None:
    """Return the recorder with this identity, if it was seen before."""
    return session.scalar(select(Recorder).where(Recorder.identity == identity))


def get(session: Session, named: str) -> Recorder:
    """Return the recorder of this id, identity or serial number; raises RecorderNotFoundError."""
    found = session.get(Recorder, named) or with_identity(session, named)
    if found is None:
        found = with_identity(session, f"serial:{named}")
    if found is None:
        raise RecorderNotFoundError(recorder=named)
    return found


def ensure_recorder(
    session: Session, identity: str, serial: str | None, profile: str, at: datetime
) -> Recorder:
    """Return the recorder with this identity, adding it as *claimed*, not yet accepted, the first time."""
    found = with_identity(session, identity)
    if found is None:
        found = Recorder(
            id=str(ULID()),
            identity=identity,
            serial=serial,
            profile=profile,
            claimed=True,
            accepted=False,
            first_seen=at,
        )
        session.add(found)
        session.flush()
    return found


def carrier(session: Session, recorder_id: str, at: datetime) -> str | None:
    """Return the officer to whom the recorder was assigned at a time, if exactly one was.

    An assignment ends just before its end: the next one may begin then.
    """
    rows = session.scalars(
        select(Assignment.officer_id)
        .where(Assignment.recorder_id == recorder_id, Assignment.starts_at <= at)
        .where((Assignment.ends_at.is_(None)) | (Assignment.ends_at > at))
        .distinct()
    ).all()
    return rows[0] if len(rows) == 1 else None


def assign(
    session: Session, recorder_id: str, officer_id: str, starts_at: datetime, ends_at: datetime | None
) -> Assignment:
    """Record that an officer carries a recorder. Raises AssignmentOverlapError.

    One that was until further notice and began before ends now, with the start of this one.
    """
    open_one = None
    for row in assignments(session, recorder_id):
        if row.ends_at is None and row.starts_at < starts_at:
            open_one = row
        elif (ends_at is None or row.starts_at < ends_at) and (
            row.ends_at is None or starts_at < row.ends_at
        ):
            raise AssignmentOverlapError(
                recorder=recorder_id, officer=row.officer_id, start=row.starts_at, end=row.ends_at
            )
    if open_one is not None:
        open_one.ends_at = starts_at
    row = Assignment(
        id=str(ULID()), recorder_id=recorder_id, officer_id=officer_id, starts_at=starts_at, ends_at=ends_at
    )
    session.add(row)
    session.flush()
    return row


def assignments(session: Session, recorder_id: str) -> list[Assignment]:
    """Return who carried a recorder, in order of time."""
    query = select(Assignment).where(Assignment.recorder_id == recorder_id).order_by(Assignment.starts_at)
    return list(session.scalars(query))


def all_recorders(session: Session) -> list[Recorder]:
    """Return every recorder, first seen first."""
    return list(session.scalars(select(Recorder).order_by(Recorder.first_seen)))
