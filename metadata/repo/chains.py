"""The chain of a recorder's dockings: their order, what each saw, and what the log of events says of it."""

from typing import Any, NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from config.errors import ManifestInvalidError
from hashing import canonical
from metadata.events import EventKind
from metadata.models import Clip, CustodyEvent, Docking, Recorder, Sighting, StoredVersion
from metadata.states import SAFE, ClipState
from metadata.stays import Noted, Row

_FEW = 50


def noted(session: Session, recorder_id: str) -> list[Noted]:
    """Return a recorder's dockings in the order in which the log has them, without their documents.

    The log's order is that in which they were written down, whatever the clocks said; a docking that the log
    does not know comes last. A few hundred bytes each.
    """
    logged = aliased(CustodyEvent)
    begun = and_(logged.docking_id == Docking.id, logged.kind == EventKind.INVENTORIED.value)
    query = (
        select(
            Docking.id,
            Docking.station_id,
            Docking.started_at,
            Docking.clock_plausible,
            Docking.closed_at,
            Docking.inventory_digest,
            Docking.close_digest,
            Docking.superseded,
            Docking.volume,
        )
        .outerjoin(logged, begun)
        .where(Docking.recorder_id == recorder_id)
        .order_by(logged.sequence.nulls_last(), Docking.id)
    )
    return [
        Noted(
            id=row.id,
            station=row.station_id,
            recorder=recorder_id,
            at=row.started_at,
            plausible=row.clock_plausible,
            closed_at=row.closed_at,
            inventory=row.inventory_digest,
            close=row.close_digest,
            superseded=row.superseded,
            card=str(row.volume.get("identity")),
            lasting=not row.volume.get("mount_point") or row.volume.get("uuid") is not None,
        )
        for row in session.execute(query)
    ]


class Documents(NamedTuple):
    """The signed bytes of a docking."""

    inventory: bytes
    inventory_seal: bytes
    close: bytes | None
    close_seal: bytes | None


def documents(session: Session, docking_id: str) -> Documents:
    """Return the signed bytes of a docking."""
    query = select(Docking.inventory, Docking.inventory_seal, Docking.close, Docking.close_seal)
    return Documents(*session.execute(query.where(Docking.id == docking_id)).one())


def rows(session: Session, docking: Noted) -> dict[int, Row]:
    """Return what the register has of the clips that a docking saw, by index in its inventory."""
    cleared = set(
        session.scalars(
            select(CustodyEvent.clip_id).where(
                CustodyEvent.docking_id == docking.id, CustodyEvent.kind == EventKind.CLEARED.value
            )
        )
    )
    query = (
        select(
            Sighting.position,
            Clip.id,
            Clip.path_bytes,
            Clip.state,
            Clip.sha256,
            Clip.created_at,
            Clip.docking_id,
        )
        .join(Clip, Clip.id == Sighting.clip_id)
        .where(Sighting.docking_id == docking.id)
        .order_by(Sighting.position)
    )
    return {
        row.position: Row(
            clip=row.id,
            path=row.path_bytes,
            state=row.state,
            safe=ClipState(row.state) in SAFE,
            sha256=row.sha256,
            # A clip gets its row with its first docking, at the time of that one.
            new=row.created_at == docking.at,
            latest=row.docking_id == docking.id,
            cleared=row.id in cleared,
        )
        for row in session.execute(query)
    }


def logged(session: Session, kind: EventKind, docking_id: str) -> dict[str, Any] | None:
    """Return the facts that the log has of a docking's inventory or close-out; None if it has none.

    An event that cannot be read any more says nothing.
    """
    query = select(CustodyEvent.body).where(
        CustodyEvent.subject == docking_id,
        CustodyEvent.kind == kind.value,
        CustodyEvent.attempt == docking_id,
    )
    body = session.scalar(query)
    return None if body is None else _facts(body)


def _facts(body: bytes) -> dict[str, Any]:
    try:
        facts = canonical.decode(body)["facts"]
    except (ManifestInvalidError, KeyError, TypeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def lost(session: Session, recorder_id: str | None = None) -> dict[str, list[str]]:
    """Return the dockings that the log of events knows and the register does not have, by recorder."""
    known = select(Docking.id).where(Docking.id == CustodyEvent.subject)
    query = (
        select(CustodyEvent.subject, CustodyEvent.body)
        .where(CustodyEvent.kind == EventKind.INVENTORIED.value, ~known.exists())
        .order_by(CustodyEvent.sequence)
    )
    found: dict[str, list[str]] = {}
    for docking, body in session.execute(query):
        recorder = str(_facts(body).get("recorder"))
        if recorder_id in {None, recorder}:
            found.setdefault(recorder, []).append(docking)
    return found


def stored_at(session: Session, vault: str, key: str) -> StoredVersion | None:
    """Return the first version of a document that the register notes."""
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.key == key)
    return session.scalar(query.order_by(StoredVersion.id).limit(1))


def recorders_named(session: Session, name: str) -> list[Recorder]:
    """Return the recorders that an id, a serial or an identity names, else those of which it is the start.

    At most 50: whoever asks wants one.
    """
    exact = or_(Recorder.id == name.upper(), Recorder.serial == name, Recorder.identity == name)
    found = list(session.scalars(select(Recorder).where(exact).order_by(Recorder.id).limit(_FEW)))
    if found or not name:
        return found
    begins = or_(
        Recorder.id.startswith(name.upper(), autoescape=True),
        func.lower(Recorder.serial).startswith(name.lower(), autoescape=True),
        func.lower(Recorder.identity).startswith(name.lower(), autoescape=True),
    )
    return list(session.scalars(select(Recorder).where(begins).order_by(Recorder.id).limit(_FEW)))
