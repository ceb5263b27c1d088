"""Recorders that nobody has accepted: what a station on its own does with them (domain, R10)."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from config.errors import VolumeRefusedError
from ingest.source import FolderSource
from jobs.node import Node
from metadata import events
from metadata.actor import Actor
from metadata.events import EventKind
from metadata.models import Outcome, Recorder
from metadata.repo import clips, dockings, integrity, recorders
from metadata.states import SAFE, ClipState

REASON = "unknown-volume"


class Unknown(StrEnum):
    """What to do with a recorder that nobody has accepted yet."""

    ACCEPT = "accept"
    """Bring it in: somebody docks it by hand, and vouches for it with that."""
    QUARANTINE = "quarantine"
    """Take the inventory and read nothing, until somebody accepts it."""
    REFUSE = "refuse"
    """Take nothing."""


def accept(session: Session, recorder: Recorder, actor: Actor, at: datetime) -> bool:
    """Let the station dock a recorder by itself from now on; False if it may already."""
    if recorder.accepted:
        return False
    recorder.accepted = True
    events.append(
        session,
        EventKind.RECORDER_ACCEPTED,
        actor,
        at,
        attempt="0",
        subject=recorder.id,
        facts={"identity": recorder.identity},
    )
    return True


def accept_named(node: Node, recorder: str) -> bool:
    """Accept a recorder; its clips come in at its next docking. Raises RecorderNotFoundError."""
    with node.register.write() as session:
        return accept(session, recorders.get(session, recorder), node.actor, node.clock.now())


def require(node: Node, source: FolderSource, identity: str) -> None:
    """Raise VolumeRefusedError, with one alert, unless somebody has accepted the recorder."""
    with node.register.read() as session:
        recorder = recorders.with_identity(session, identity)
    if recorder is not None and recorder.accepted:
        return
    with node.register.write() as session:
        facts = {"identity": identity, "policy": Unknown.REFUSE.value}
        if not integrity.has_alert(session, REASON, facts):
            integrity.raise_alert(session, REASON, node.clock.now(), facts=facts)
    raise VolumeRefusedError(source=str(source.root), identity=identity)


def quarantine(session: Session, recorder: Recorder, docking: str, operator: Actor, at: datetime) -> None:
    """Leave the clips of a docking on their card, shown and not read; safe ones stay what they are."""
    for sighting, clip in dockings.sightings(session, docking):
        if ClipState(clip.state) in SAFE:
            continue
        sighting.outcome = Outcome.NOT_SAFE.value
        clips.move(clip, ClipState.QUARANTINED, reason=REASON)
        events.append(
            session,
            EventKind.QUARANTINED,
            operator,
            at,
            attempt=docking,
            clip=clip.id,
            docking=docking,
            facts={"reason": REASON},
        )
    facts = {"recorder": recorder.id, "identity": recorder.identity}
    if not integrity.has_alert(session, REASON, facts):
        integrity.raise_alert(session, REASON, at, facts=facts)
