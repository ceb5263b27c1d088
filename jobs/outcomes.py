"""What stages share: where a spool copy lies, and how a clip waits or ends without being safe."""

from pathlib import Path

from ulid import ULID

from hashing.digest import Digest
from jobs import told
from jobs.node import Node
from metadata import events
from metadata.actor import Actor, ActorKind
from metadata.events import EventKind
from metadata.models import Clip, Docking
from metadata.repo import clips, integrity
from metadata.states import SAFE, ClipState
from storage import layout


def spool_path(node: Node, clip_id: str) -> Path:
    """Return where a clip's copy rests until the vault has it."""
    return node.spool / clip_id


def in_spool(node: Node, clip: Clip) -> bool:
    """Tell whether a clip's copy, by its size, rests in the spool."""
    try:
        return spool_path(node, clip.id).stat().st_size == clip.size
    except FileNotFoundError:
        return False


def in_vault(node: Node, clip: Clip) -> bool:
    """Tell whether a vault shows an object under a clip's digest (it is hashed before it counts)."""
    if clip.sha256 is None:
        return False
    key = layout.clip_key(Digest.of_sha256(clip.sha256))
    return any(not version.marker for store in node.required for version in store.vault.versions(key))


def operator(docking: Docking) -> Actor:
    """Return who ran the docking."""
    facts = docking.operator
    return Actor(ActorKind(facts["kind"]), facts["id"], facts["authenticated"])


def taken_over(docking: Docking, clip: Clip) -> bool:
    """Tell whether a later docking, perhaps at another station, works on a clip now: this one leaves it."""
    return clip.docking_id != docking.id


def end(node: Node, docking: Docking, clip_id: str, state: ClipState, reason: str) -> None:
    """Put a clip into an end state that is not safe, with its event; quarantine raises an alert."""
    kind = {
        ClipState.MISSING_AT_UNPLUG: EventKind.MISSING_AT_UNPLUG,
        ClipState.QUARANTINED: EventKind.QUARANTINED,
    }[state]
    at = node.clock.now()
    with node.register.write() as session:
        row = session.get_one(Clip, clip_id)
        if ClipState(row.state) is state or ClipState(row.state) in SAFE or taken_over(docking, row):
            return
        clips.move(row, state, reason=reason)
        events.append(
            session,
            kind,
            operator(docking),
            at,
            attempt=str(ULID()),
            clip=clip_id,
            docking=docking.id,
            facts={"reason": reason},
        )
        if state is ClipState.QUARANTINED:
            integrity.raise_alert(session, "quarantined", at, clip=clip_id, facts={"reason": reason})
    told.ended(row, docking, state.value, reason)


def wait(node: Node, docking: Docking, clip_id: str, reason: str) -> None:
    """Mark a clip as waiting; only the first wait is an event, since it may try for days."""
    with node.register.write() as session:
        row = session.get_one(Clip, clip_id)
        if taken_over(docking, row):
            return
        if ClipState(row.state) is ClipState.WAITING:
            row.reason = reason
            return
        clips.move(row, ClipState.WAITING, reason=reason)
        events.append(
            session,
            EventKind.WAITING,
            operator(docking),
            node.clock.now(),
            attempt=str(ULID()),
            clip=clip_id,
            docking=docking.id,
            facts={"reason": reason},
        )
    told.waiting(row, docking, reason)


def resume(clip: Clip) -> None:
    """Bring a waiting clip back to where it waits to go on."""
    if ClipState(clip.state) is ClipState.WAITING:
        clips.move(clip, come_to(clip))


def come_to(clip: Clip) -> ClipState:
    """Return how far a clip has come: for one that waits, where it goes on."""
    state = ClipState(clip.state)
    return ClipState(clip.resume_state or ClipState.FOUND.value) if state is ClipState.WAITING else state
