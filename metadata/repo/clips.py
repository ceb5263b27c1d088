"""Clips: finding them, moving them through their states, tagging them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import ClipAmbiguousError, ClipNotFoundError
from config.times import spelled
from metadata import states
from metadata.models import Case, Clip, Link, LinkCandidate, Sighting, Tag
from metadata.repo import doubts, holds, objects
from metadata.states import SAFE, ClipState

_DIGEST_WORD = 6
_ULID_LENGTH = 26
_PAGE = 500  # SQLite limits the variables of one statement


@dataclass(frozen=True, slots=True)
class ClipFilter:
    """What to look for; empty fields do not restrict. Times are UTC, the end is exclusive."""

    case: str | None = None
    officer: str | None = None
    recorder: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    category: str | None = None
    unlinked: bool = False
    ambiguous: bool = False
    state: ClipState | None = None
    text: str | None = None
    docking: str | None = None


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """A clip as people and scripts see it. The first seven keys are a promise to scripts."""

    id: str
    name: str
    sha256: str | None
    size: int
    state: str
    case: str | None
    reason: str | None
    path: str
    kind: str
    condition: str | None
    recorder: str
    officer: str | None
    recorded_at: datetime | None
    time_source: str
    categories: tuple[str, ...]
    retain_until: datetime | None
    permanent: bool
    docking: str = field(default="")
    confirmation: str | None = None
    """How the stored original was confirmed: ``full`` (read back) or ``checksum``; None before that."""
    held: bool = False
    """A legal hold stands on the clip."""
    integrity: str | None = None
    """What a check found wrong with it, until one as strong finds it well."""

    def to_json(self) -> dict[str, Any]:
        """Return the record with times as RFC 3339 text."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for key in ("recorded_at", "retain_until"):
            at: datetime | None = record[key]
            record[key] = None if at is None else spelled(at)
        record["categories"] = list(self.categories)
        return record


def find(session: Session, wanted: ClipFilter) -> list[Clip]:
    """Return the clips that match, by recorded time and then by arrival."""
    query = _restricted(select(Clip), wanted)
    return list(session.scalars(query.order_by(Clip.recorded_start.nulls_last(), Clip.id)))


def is_used(session: Session, category: str) -> bool:
    """Tell whether a clip was ever given a category; the schedule may not have it any more."""
    return session.scalar(select(Tag.id).where(Tag.category == category).limit(1)) is not None


def _restricted(query: Select[Any], wanted: ClipFilter) -> Select[Any]:
    equal = (
        (Clip.officer_id, wanted.officer),
        (Clip.recorder_id, wanted.recorder),
        (Clip.state, wanted.state.value if wanted.state else None),
    )
    for column, value in equal:
        if value is not None:
            query = query.where(column == value)
    if wanted.docking is not None:
        seen = select(Sighting.id).where(Sighting.clip_id == Clip.id, Sighting.docking_id == wanted.docking)
        query = query.where(seen.exists())
    if wanted.since is not None:
        query = query.where(Clip.recorded_start >= wanted.since)
    if wanted.until is not None:
        query = query.where(Clip.recorded_start < wanted.until)
    current = select(Link.clip_id).where(Link.clip_id == Clip.id, Link.ended_at.is_(None))
    if wanted.case is not None:
        query = query.where(
            current.join(Case, Case.id == Link.case_id).where(Case.number == wanted.case).exists()
        )
    if wanted.unlinked:
        query = query.where(~current.exists())
    if wanted.ambiguous:
        query = query.where(select(LinkCandidate.clip_id).where(LinkCandidate.clip_id == Clip.id).exists())
    if wanted.category is not None:
        query = query.where(
            select(Tag.id).where(Tag.clip_id == Clip.id, Tag.category == wanted.category).exists()
        )
    return query.where(_named(wanted.text)) if wanted.text else query


def _named(words: str) -> ColumnElement[bool]:
    """Return the condition that a clip's path, id or digest is what somebody typed."""
    named = [Clip.path.icontains(words, autoescape=True), Clip.id == words.upper()]
    if len(words) >= _DIGEST_WORD:  # every short word of the letters a to f begins some digest
        named.append(Clip.sha256.startswith(words.lower(), autoescape=True))
    return or_(*named)


def records(session: Session, clips: Sequence[Clip]) -> list[ClipRecord]:
    """Return the records of clips, in their order, with case and categories."""
    ids = [clip.id for clip in clips]
    cases: dict[str, str] = {}
    tags: dict[str, list[str]] = {}
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        cases.update(
            (row[0], row[1])
            for row in session.execute(
                select(Link.clip_id, Case.number)
                .join(Case, Case.id == Link.case_id)
                .where(Link.clip_id.in_(page), Link.ended_at.is_(None))
            )
        )
        for clip_id, category in session.execute(
            select(Tag.clip_id, Tag.category).where(Tag.clip_id.in_(page)).order_by(Tag.category)
        ):
            tags.setdefault(clip_id, []).append(category)
    confirmations = objects.confirmations(session, [clip.sha256 for clip in clips if clip.sha256])
    held = holds.held_clips(session, ids)
    wrong = doubts.standing(session, ids)
    return [
        ClipRecord(
            id=clip.id,
            name=clip.name,
            sha256=clip.sha256,
            size=clip.size,
            state=clip.state,
            case=cases.get(clip.id),
            reason=clip.reason,
            path=clip.path,
            kind=clip.kind,
            condition=clip.condition,
            recorder=clip.recorder_id,
            officer=clip.officer_id,
            recorded_at=clip.recorded_start,
            time_source=clip.time_source,
            categories=tuple(tags.get(clip.id, ())),
            retain_until=clip.retain_until,
            permanent=clip.permanent,
            docking=clip.docking_id,
            confirmation=confirmations.get(clip.sha256 or ""),
            held=clip.id in held,
            integrity=wrong.get(clip.id),
        )
        for clip in clips
    ]


def resolve(session: Session, reference: str) -> Clip:
    """Return the clip that an id or an unambiguous digest prefix names.

    Raises ClipNotFoundError or ClipAmbiguousError (several clips may share one object: then only
    the id is unambiguous).
    """
    if len(reference) == _ULID_LENGTH:
        found = session.get(Clip, reference.upper())
        if found is not None:
            return found
    prefix = reference.lower().removeprefix("sha256:")
    if not prefix:
        raise ClipNotFoundError(clip=reference)
    matches = list(
        session.scalars(select(Clip).where(Clip.sha256.startswith(prefix, autoescape=True)).limit(50))
    )
    if not matches:
        raise ClipNotFoundError(clip=reference)
    if len(matches) > 1:
        raise ClipAmbiguousError(clip=reference, count=len(matches))
    return matches[0]


def known(session: Session, recorder_id: str) -> dict[bytes, list[Clip]]:
    """Return all clips of a recorder by path, oldest first."""
    by_path: dict[bytes, list[Clip]] = {}
    for clip in session.scalars(select(Clip).where(Clip.recorder_id == recorder_id).order_by(Clip.id)):
        by_path.setdefault(clip.path_bytes, []).append(clip)
    return by_path


def move(clip: Clip, state: ClipState, *, reason: str | None = None) -> None:
    """Move a clip to ``state``; raises IllegalTransitionError for any other order."""
    current = ClipState(clip.state)
    states.check(clip.id, current, state)
    if state is ClipState.WAITING:
        clip.resume_state = current.value
    elif current is ClipState.WAITING:
        clip.resume_state = None
    clip.state = state.value
    clip.reason = reason


def categories(session: Session, clip_id: str) -> tuple[str, ...]:
    """Return a clip's categories, sorted."""
    return tuple(session.scalars(select(Tag.category).where(Tag.clip_id == clip_id).order_by(Tag.category)))


def add_tag(session: Session, clip_id: str, category: str, actor: dict[str, Any], at: datetime) -> Tag | None:
    """Give a clip a category; None if it has it already."""
    existing = select(Tag.id).where(Tag.clip_id == clip_id, Tag.category == category)
    if session.scalar(existing) is not None:
        return None
    row = Tag(id=str(ULID()), clip_id=clip_id, category=category, actor=actor, at=at)
    session.add(row)
    session.flush()
    return row


def state_counts(session: Session) -> dict[str, int]:
    """Return how many clips are in each state."""
    query = select(Clip.state, func.count()).group_by(Clip.state)
    return {row[0]: row[1] for row in session.execute(query)}


def sharing(session: Session, sha256: str) -> list[Clip]:
    """Return all clips whose bytes are this object."""
    return list(session.scalars(select(Clip).where(Clip.sha256 == sha256)))


def all_safe(clips: Iterable[Clip]) -> bool:
    """Tell whether every clip is confirmed or released."""
    return all(ClipState(clip.state) in SAFE for clip in clips)
