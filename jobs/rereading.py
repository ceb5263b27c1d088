"""``--reread``: hash a clip that is safe already once more on the card, and compare."""

from contextlib import AbstractContextManager

from ulid import ULID

from config.errors import SealdockError
from hashing.digest import Digest
from hashing.reader import read_through
from ingest.source import FolderSource
from jobs.node import Node
from jobs.outcomes import operator
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, Outcome, Sighting
from metadata.repo import integrity
from metadata.states import ClipState


def reread(
    node: Node,
    source: FolderSource | None,
    docking: Docking,
    seen: Sighting,
    clip: Clip,
    turn: AbstractContextManager[object],
) -> bool:
    """Read a safe clip again; True if that ends the matter.

    False means: the card gave other bytes than before. The sighting then belongs to a new clip,
    which the docking has to bring in like any other, and an alert stands.
    """
    found = _hash(source, docking, clip, turn)
    if found is None:
        return True  # the clip is safe; its sighting stays "to-reread" and shows that it was not
    same = found.hex == clip.sha256
    at = node.clock.now()
    with node.register.write() as session:
        sighting = session.get_one(Sighting, seen.id)
        sighting.outcome = (Outcome.REREAD_SAME if same else Outcome.TO_READ).value
        events.append(
            session,
            EventKind.REREAD,
            operator(docking),
            at,
            attempt=docking.id,
            clip=clip.id,
            docking=docking.id,
            facts={"found": str(found), "same": same},
        )
        if same:
            return True
        twin = _twin(clip, seen, docking)
        twin.created_at = at
        session.add(twin)
        session.flush()
        sighting.clip_id = twin.id
        facts = {"found": str(found), "new_clip": twin.id}
        integrity.raise_alert(session, "reread-different", at, clip=clip.id, facts=facts)
    return False


def _hash(
    source: FolderSource | None, docking: Docking, clip: Clip, turn: AbstractContextManager[object]
) -> Digest | None:
    if source is None:
        return None
    try:
        with turn:
            source.check(docking.volume["identity"])
            with source.open(clip.path_bytes) as fd:
                return read_through(fd).sha256
    except (SealdockError, OSError):
        return None


def _twin(clip: Clip, seen: Sighting, docking: Docking) -> Clip:
    return Clip(
        id=str(ULID()),
        recorder_id=clip.recorder_id,
        docking_id=docking.id,
        name=clip.name,
        path=clip.path,
        path_bytes=clip.path_bytes,
        kind=clip.kind,
        size=seen.size,
        mtime_ns=seen.mtime_ns,
        state=ClipState.FOUND.value,
        time_source="unknown",
    )
