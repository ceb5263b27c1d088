"""Dockings, sightings and progress."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session, defer

from metadata.changes import WritingSession
from metadata.clock import FURTHEST, RELEASED
from metadata.events import EventKind
from metadata.models import Clip, CustodyEvent, Docking, Outcome, Progress, Sighting, Station
from metadata.states import ENDED


def get(session: Session, docking_id: str) -> Docking:
    """Return a docking without its documents: they grow with the card, and each of its clips asks."""
    documents = (Docking.inventory, Docking.inventory_seal, Docking.close, Docking.close_seal)
    return session.get_one(Docking, docking_id, options=[defer(item, raiseload=True) for item in documents])


def is_known(session: Session, docking_id: str) -> bool:
    """Tell whether there is a docking of this id."""
    return session.scalar(select(Docking.id).where(Docking.id == docking_id)) is not None


def unclosed(session: Session, station_id: str) -> list[str]:
    """Return the ids of a station's dockings without a close-out, oldest first."""
    query = select(Docking.id).where(Docking.close.is_(None), Docking.station_id == station_id)
    return list(session.scalars(query.order_by(Docking.id)))


def unclosed_elsewhere(session: Session, station_id: str) -> dict[str, int]:
    """Return how many dockings without a close-out the other stations of the register have."""
    query = (
        select(Docking.station_id, func.count())
        .where(Docking.close.is_(None), Docking.station_id != station_id)
        .group_by(Docking.station_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def of_clip(session: Session, clip_id: str) -> frozenset[str]:
    """Return the ids of the dockings in which a clip was seen."""
    return frozenset(session.scalars(select(Sighting.docking_id).where(Sighting.clip_id == clip_id)))


class Named(NamedTuple):
    """What a docking's documents are named by in the vault."""

    station_id: str
    id: str
    started_at: datetime


def naming(session: Session, clip_id: str) -> list[Named]:
    """Return the dockings in which a clip was seen, by what their documents are named by."""
    query = (
        select(Docking.station_id, Docking.id, Docking.started_at)
        .join(Sighting, Sighting.docking_id == Docking.id)
        .where(Sighting.clip_id == clip_id)
    )
    return [Named(*row) for row in session.execute(query)]


def heads(session: Session, recorder_id: str) -> list[Docking]:
    """Return the recorder's dockings that no later one names as its previous."""
    query = select(Docking).where(Docking.recorder_id == recorder_id, Docking.superseded.is_(False))
    return list(session.scalars(query.order_by(Docking.id)))


def supersede(session: Session, docking_ids: Iterable[str]) -> None:
    """Mark dockings as named by a later one."""
    for docking_id in docking_ids:
        get(session, docking_id).superseded = True


def previous_start(session: Session, recorder_id: str, before: str) -> datetime | None:
    """Return when the recorder's docking before ``before`` (a docking id) started."""
    query = (
        select(Docking.started_at)
        .where(Docking.recorder_id == recorder_id, Docking.id < before, Docking.clock_plausible)
        .order_by(Docking.id.desc())
        .limit(1)
    )
    return session.scalar(query)


def sightings(session: Session, docking_id: str) -> list[tuple[Sighting, Clip]]:
    """Return a docking's sightings with their clips, in inventory order."""
    query = (
        select(Sighting, Clip)
        .join(Clip, Clip.id == Sighting.clip_id)
        .where(Sighting.docking_id == docking_id)
        .order_by(Sighting.position)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


# Asked for each clip at each stage, hence built once.
_HERE = (Sighting.docking_id == bindparam("docking"), Sighting.position == bindparam("position"))
_SIGHTING = select(Sighting, Clip).join(Clip, Clip.id == Sighting.clip_id).where(*_HERE)
_NEW_CLIPS = insert(Clip.__table__)  # type: ignore[arg-type]
_NEW_SIGHTINGS = insert(Sighting.__table__)  # type: ignore[arg-type]
_CLIP = select(Clip).join(Sighting, Clip.id == Sighting.clip_id).where(*_HERE)


def sighting(session: Session, docking_id: str, position: int) -> tuple[Sighting, Clip]:
    """Return one sighting and its clip."""
    row = session.execute(_SIGHTING, {"docking": docking_id, "position": position}).one()
    return row[0], row[1]


def clip_at(session: Session, docking_id: str, position: int) -> Clip:
    """Return the clip of one sighting."""
    return session.scalars(_CLIP, {"docking": docking_id, "position": position}).one()


def add_sightings(
    session: WritingSession, new_clips: Sequence[Mapping[str, Any]], seen: Sequence[Mapping[str, Any]]
) -> None:
    """Write what a docking saw, and the clips that it saw first: rows by the names of their columns."""
    connection = session.connection()
    if new_clips:
        connection.execute(_NEW_CLIPS, new_clips)
        session.note("clip", [{"important": False, "permanent": False, **row} for row in new_clips])
    if seen:
        connection.execute(_NEW_SIGHTINGS, seen)
        session.note("sighting", seen)


def to_read(session: Session, docking_id: str) -> list[int]:
    """Return the positions that a docking has yet to read or to bring to an end, in order."""
    ended = [state.value for state in ENDED]
    query = (
        select(Sighting.position)
        .join(Clip, Clip.id == Sighting.clip_id)
        .where(
            Sighting.docking_id == docking_id,
            or_(
                Sighting.outcome == Outcome.TO_REREAD.value,
                Sighting.outcome.in_([Outcome.TO_READ.value, Outcome.READ.value]) & Clip.state.not_in(ended),
            ),
        )
        .order_by(Sighting.position)
    )
    return list(session.scalars(query))


def is_left_alone(session: Session, docking_id: str) -> bool:
    """Tell whether a docking took only the inventory, since nobody had accepted its recorder."""
    query = select(Sighting.id).where(
        Sighting.docking_id == docking_id, Sighting.outcome == Outcome.NOT_SAFE.value
    )
    return session.scalar(query.limit(1)) is not None


def state_counts(session: Session, docking_id: str) -> dict[str, int]:
    """Return how many of a docking's clips are in each state."""
    query = (
        select(Clip.state, func.count())
        .join(Sighting, Sighting.clip_id == Clip.id)
        .where(Sighting.docking_id == docking_id)
        .group_by(Clip.state)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def start_progress(session: Session, docking_id: str, bytes_total: int, at: datetime) -> None:
    """Begin to count a docking's bytes."""
    session.add(Progress(docking_id=docking_id, bytes_total=bytes_total, bytes_done=0, updated_at=at))


def set_progress(session: Session, docking_id: str, bytes_done: int, at: datetime) -> None:
    """Note how many bytes a docking has copied."""
    session.execute(
        update(Progress).where(Progress.docking_id == docking_id).values(bytes_done=bytes_done, updated_at=at)
    )


def touch_progress(session: Session, docking_id: str, at: datetime) -> None:
    """Note that somebody looked at a docking's bytes: the smallest thing that can be written."""
    session.execute(update(Progress).where(Progress.docking_id == docking_id).values(updated_at=at))


_VOUCHED = select(
    select(func.max(Station.created_at)).scalar_subquery(),
    select(func.max(Docking.started_at)).where(Docking.clock_plausible).scalar_subquery(),
    select(func.max(CustodyEvent.at))
    .where(CustodyEvent.kind == EventKind.CLOCK_CONFIRMED.value)
    .scalar_subquery(),
)


def vouched_time(session: Session) -> datetime | None:
    """Return the latest time at which the station's clock was held to be plausible.

    Nobody weighed the clock when the station was made, so that time counts only as far as the
    software's own release date goes with it.
    """
    found: list[datetime | None] = list(session.execute(_VOUCHED).one())  # nothing has no maximum
    created, *others = found
    times = (None if created is None else min(created, RELEASED + FURTHEST), *others)
    return max((t for t in times if t is not None), default=None)
