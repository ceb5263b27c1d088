"""The offload stage: a clip's bytes come to the spool with proof, and its row says so."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from ulid import ULID

from config.errors import (
    DigestMismatchError,
    FileVanishedError,
    SourceChangedError,
    SourceUnreadableError,
    SourceVanishedError,
    SpoolFullError,
    SpoolUnavailableError,
    VolumeSwappedError,
)
from ingest.offload import Offloaded, offload
from ingest.source import FolderSource
from jobs import outcomes, spooling, told
from jobs.node import Node
from jobs.rereading import reread
from jobs.verdict import Verdict
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, Outcome, Sighting
from metadata.repo import clips, dockings, objects
from metadata.states import ClipState, reached


def run(
    node: Node,
    source: FolderSource | None,
    docking_id: str,
    position: int,
    *,
    turn: AbstractContextManager[object],
    on_bytes: Callable[[int], None],
) -> Verdict:
    """Copy one sighting's clip to the spool, unless that is done already.

    ``source`` is None when the card of the inventory is not there any more; ``turn`` is held
    while the card is read.
    """
    with node.register.read() as session:
        seen, clip = dockings.sighting(session, docking_id, position)
        docking = node.docking(session, docking_id)
    if seen.outcome == Outcome.TO_REREAD.value:
        if reread(node, source, docking, seen, clip, turn):
            return Verdict.ENDED
        with node.register.read() as session:
            seen, clip = dockings.sighting(session, docking_id, position)
    if outcomes.taken_over(docking, clip):
        return Verdict.ENDED
    if _already_here(node, clip):
        return Verdict.DONE
    if source is None:
        outcomes.end(node, docking, clip.id, ClipState.MISSING_AT_UNPLUG, SourceVanishedError.code)
        return Verdict.ENDED
    return _offload(node, source, docking, seen, clip, turn, on_bytes)


def _offload(
    node: Node,
    source: FolderSource,
    docking: Docking,
    seen: Sighting,
    clip: Clip,
    turn: AbstractContextManager[object],
    on_bytes: Callable[[int], None],
) -> Verdict:
    if node.spool_gate.is_high():
        outcomes.wait(node, docking, clip.id, spooling.REASON)
        return Verdict.RETRY
    try:
        copied = offload(
            source,
            clip.path_bytes,
            outcomes.spool_path(node, clip.id),
            node.offload_rules,
            volume=docking.volume["identity"],
            turn=turn,
            on_bytes=on_bytes,
        )
    except (FileVanishedError, SourceVanishedError, VolumeSwappedError) as error:
        outcomes.end(node, docking, clip.id, ClipState.MISSING_AT_UNPLUG, error.code)
    except SourceChangedError as error:
        outcomes.end(node, docking, clip.id, ClipState.QUARANTINED, error.code)
    except DigestMismatchError:
        # The card gave its bytes; it is the spool's medium that gave back others.
        outcomes.end(node, docking, clip.id, ClipState.QUARANTINED, "spool-read-back")
    except SourceUnreadableError as error:
        outcomes.wait(node, docking, clip.id, error.code)
    except (SpoolFullError, SpoolUnavailableError) as error:
        outcomes.wait(node, docking, clip.id, error.code)
        return Verdict.RETRY
    else:
        if copied.read_back == "media":
            node.proved[clip.id] = copied.proved
        return _write(node, docking, seen, clip, copied)
    return Verdict.ENDED


def _already_here(node: Node, clip: Clip) -> bool:
    """Tell whether an earlier try, or another docking, has brought the bytes already."""
    state = outcomes.come_to(clip)
    if reached(state, ClipState.STORED):
        return True
    if not reached(state, ClipState.OFFLOADED):
        return False
    # The store stage publishes by rename before it writes its row: then the vault has the bytes.
    if outcomes.in_spool(node, clip) or outcomes.in_vault(node, clip):
        return True
    with node.register.write() as session:
        row = session.get_one(Clip, clip.id)
        if ClipState(row.state) is not ClipState.WAITING:
            clips.move(row, ClipState.WAITING, reason="spool-copy-lost")
        clips.move(row, ClipState.FOUND)
        events.append(
            session,
            EventKind.FOUND_AGAIN,
            node.actor,
            node.clock.now(),
            attempt=str(ULID()),
            clip=clip.id,
            docking=clip.docking_id,
            facts={"reason": "spool-copy-lost"},
        )
    return False


def _write(node: Node, docking: Docking, seen: Sighting, clip: Clip, copied: Offloaded) -> Verdict:
    at = node.clock.now()
    with node.register.write() as session:
        row = session.get_one(Clip, clip.id)
        if outcomes.taken_over(docking, row):
            return Verdict.ENDED
        stored = objects.ensure(session, copied.reading, at)
        outcomes.resume(row)
        clips.move(row, ClipState.OFFLOADED)
        row.sha256 = stored.sha256
        row.size = copied.reading.size
        row.mtime_ns = copied.mtime_ns
        row.read_back = copied.read_back
        session.get_one(Sighting, seen.id).outcome = Outcome.READ.value
        events.append(
            session,
            EventKind.OFFLOADED,
            outcomes.operator(docking),
            at,
            attempt=f"{docking.id}/{copied.mtime_ns}",
            clip=clip.id,
            docking=docking.id,
            facts={
                "digests": [str(digest) for digest in copied.reading.digests],
                "size": str(copied.reading.size),
                "read_back": copied.read_back,
            },
        )
    told.offloaded(clip, docking, copied.reading.size)
    return Verdict.DONE
