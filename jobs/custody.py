"""What people do with clips once they are safe: tag and link them, and what follows for their locks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session
from ulid import ULID

from config.errors import VaultUnavailableError
from hashing.digest import Digest
from jobs.node import Node, Store
from metadata import events, linking, retention
from metadata.actor import Actor
from metadata.events import EventKind
from metadata.models import Case, Clip, Derivative, Link, StoredVersion
from metadata.repo import cases, clips, dockings, objects
from metadata.retention import LegalDate
from metadata.states import SAFE, ClipState
from storage import layout
from storage.confirm import Expected, confirm


@dataclass(frozen=True, slots=True)
class LinkTally:
    """What an automatic run of linking did."""

    linked: int
    ambiguous: int


def tag(node: Node, references: Sequence[str], category: str) -> list[Clip]:
    """Give clips a category; their locks follow.

    Raises CategoryUnknownError, ClipNotFoundError and ClipAmbiguousError.
    """
    node.schedule.category(category)
    at = node.clock.now()
    with node.register.write() as session:
        found = [clips.resolve(session, reference) for reference in references]
        for clip in found:
            row = clips.add_tag(session, clip.id, category, node.actor.to_json(), at)
            set_legal_date(session, node, clip)
            if row is not None:
                events.append(
                    session,
                    EventKind.TAGGED,
                    node.actor,
                    at,
                    attempt=row.id,
                    clip=clip.id,
                    facts={"category": category},
                )
    extend_locks(node, [clip.id for clip in found])
    return found


def link(node: Node, references: Sequence[str], number: str, *, move: bool) -> list[Clip]:
    """Make clips belong to a case; their locks follow. Raises AlreadyLinkedError unless ``move``."""
    at = node.clock.now()
    with node.register.write() as session:
        case = cases.get(session, number)
        found = [clips.resolve(session, reference) for reference in references]
        for clip in found:
            _link(session, node, clip, case, "manual", node.actor, at, move=move)
    extend_locks(node, [clip.id for clip in found])
    return found


def _link(
    session: Session,
    node: Node,
    clip: Clip,
    case: Case,
    method: str,
    actor: Actor,
    at: datetime,
    *,
    move: bool,
) -> None:
    row, left = cases.link(session, clip.id, case, method, actor.to_json(), at, move=move)
    set_legal_date(session, node, clip)
    if row is None:
        return
    if left is not None:
        events.append(
            session,
            EventKind.UNLINKED,
            actor,
            at,
            attempt=row.id,
            clip=clip.id,
            facts={"case": left.number, "moved_to": case.number},
        )
    events.append(
        session,
        EventKind.LINKED,
        actor,
        at,
        attempt=row.id,
        clip=clip.id,
        facts={"case": case.number, "method": method},
    )


def link_by_window(session: Session, node: Node, clip: Clip, actor: Actor, at: datetime) -> str | None:
    """Link one clip by officer and start; several cases put it on the work list. Returns what happened."""
    if clip.officer_id is None or cases.current_link(session, clip.id) is not None:
        return None
    windows = cases.windows(session, clip.officer_id)
    found = linking.candidates(clip.officer_id, clip.recorded_start, windows, node.settings.linking.buffer)
    if len(found) == 1:
        _link(session, node, clip, session.get_one(Case, found[0]), "auto", actor, at, move=False)
        return "linked"
    if found and cases.note_candidates(session, clip.id, found, at):
        numbers = [session.get_one(Case, case_id).number for case_id in found]
        events.append(
            session,
            EventKind.LINK_AMBIGUOUS,
            actor,
            at,
            attempt=str(ULID()),
            clip=clip.id,
            facts={"cases": numbers},
        )
    return "ambiguous" if found else None


def relink(node: Node, officers: Iterable[str]) -> LinkTally:
    """Try to link the unlinked, safe clips of officers whose windows have changed."""
    at = node.clock.now()
    linked: list[str] = []
    ambiguous = 0
    with node.register.write() as session:
        current = select(Link.id).where(Link.clip_id == Clip.id, Link.ended_at.is_(None))
        unlinked = select(Clip).where(
            Clip.officer_id.in_(sorted(set(officers))),
            Clip.state.in_([state.value for state in SAFE]),
            ~current.exists(),
        )
        for clip in session.scalars(unlinked).all():
            outcome = link_by_window(session, node, clip, node.actor, at)
            if outcome == "linked":
                linked.append(clip.id)
            ambiguous += outcome == "ambiguous"
    extend_locks(node, linked)
    return LinkTally(linked=len(linked), ambiguous=ambiguous)


def set_legal_date(session: Session, node: Node, clip: Clip) -> LegalDate:
    """Compute the legal date from the clip's categories and case; it only ever moves later."""
    docking = node.docking(session, clip.docking_id)
    docked = docking.started_at if docking.clock_plausible else node.weigh_clock(session).trusted
    base = retention.base_time(
        clip.recorded_start, dockings.previous_start(session, clip.recorder_id, docking.id), docked
    )
    legal = retention.legal_date(
        node.schedule,
        base,
        categories=clips.categories(session, clip.id),
        in_case=cases.current_link(session, clip.id) is not None,
        zone=node.settings.time_zone,
    )
    if legal.permanent or clip.permanent:
        clip.retain_until, clip.permanent = None, True
    elif clip.retain_until is None or (legal.until is not None and legal.until > clip.retain_until):
        clip.retain_until = legal.until
    return LegalDate(clip.retain_until, clip.permanent)


def extend_locks(node: Node, clip_ids: Iterable[str]) -> int:
    """Extend the locks of safe clips' objects where their legal date asks for it; return how many.

    The vaults are asked first and the register written from what they answered. Clips that are not
    stored yet get their date when they are. A second vault that is not required may be away: `locks roll`
    moves its locks on.
    """
    extended = 0
    for clip_id in dict.fromkeys(clip_ids):
        moved = False
        for store in node.stores:
            try:
                moved |= _extend(node, store, clip_id)
            except VaultUnavailableError:
                if store.required:
                    raise
        extended += moved
    return extended


def _extend(node: Node, store: Store, clip_id: str) -> bool:
    with node.register.read() as session:
        clip = session.get_one(Clip, clip_id)
        rows = _versions(session, store.name, clip) if ClipState(clip.state) in SAFE else []
    until = _lock_date(node, clip) if rows else None
    late = [row for row in rows if until and (row.lock_until is None or row.lock_until < until)]
    if until is None or not late:
        return False
    found = [(row, confirm(store.vault, Expected(row.key, row.version, row.size, until))) for row in late]
    at = node.clock.now()
    with node.register.write() as session:
        for row, version in found:
            kept = session.get_one(StoredVersion, row.id)
            kept.lock_mode, kept.lock_until = version.lock_mode.value, version.lock_until
        events.append(
            session,
            EventKind.LOCK_EXTENDED,
            node.actor,
            at,
            attempt=str(ULID()),
            clip=clip_id,
            facts={"lock_until": until, "versions": len(found)} | store.fact(),
        )
    return True


def _lock_date(node: Node, clip: Clip) -> datetime:
    legal = LegalDate(clip.retain_until, clip.permanent)
    cap = node.settings.retention.lock_cap_months
    return retention.lock_date(legal, node.read_clock().trusted, cap)


def _versions(session: Session, vault: str, clip: Clip) -> list[StoredVersion]:
    """Return the stored versions that are kept for a clip.

    Its original, manifests and seals, its poster frame, and the documents of the dockings that saw it.
    """
    digest = Digest.of_sha256(clip.sha256 or "")
    names = {layout.clip_key(digest)}
    for docking in dockings.naming(session, clip.id):
        names.update(layout.docking_keys(*docking))
    poster = session.scalar(select(Derivative.poster_sha256).where(Derivative.clip_id == clip.id))
    if poster is not None:
        names.add(layout.derived_key(Digest.of_sha256(poster)))
    return objects.below(session, vault, names, layout.seals_prefix(digest))
