"""The derive workflow: poster frame and picture findings of one clip."""

import logging

from dbos import DBOS

from config.errors import SealdockError
from hashing.digest import Digest
from jobs.copies import DERIVE, proved_copy
from jobs.node import Node
from jobs.placing import note_placed, place
from jobs.running import running
from jobs.storing import Document, lock_until
from metadata import events
from metadata.events import EventKind
from metadata.media.pictures import PictureFindings, examine
from metadata.models import Clip, Derivative, StoredKind
from metadata.repo import objects
from storage import layout

_log = logging.getLogger("sealdock.derive")


@DBOS.workflow(name="derive", max_recovery_attempts=None)
def derive(clip_id: str) -> None:
    """Make what is shown of a clip; it may fail without any harm to the clip."""
    make(clip_id)


@DBOS.step()
def make(clip_id: str) -> None:
    """Look at the pictures in the sandbox, store the poster frame, write down the findings."""
    node = running().node
    with node.register.read() as session:
        clip = session.get_one(Clip, clip_id)
        if session.get(Derivative, clip_id) is not None:
            return
    try:
        found = _examine(node, clip)
        poster = _store_poster(node, clip, found.poster_jpeg) if found.poster_jpeg else None
    except SealdockError as error:
        _log.warning("derive-failed", extra={"clip": clip_id, "problem": error.code})
        return  # nothing is written down, so the next run tries again
    at = node.clock.now()
    with node.register.write() as session:
        if session.get(Derivative, clip_id) is not None:  # another station was quicker
            return
        session.add(
            Derivative(
                clip_id=clip_id,
                poster_sha256=poster,
                black_share=found.black_share,
                frozen_share=found.frozen_share,
                sampled_frames=found.sampled_frames,
                problem=found.problem,
                at=at,
            )
        )
        events.append(
            session,
            EventKind.DERIVED,
            node.actor,
            at,
            attempt="poster",
            clip=clip_id,
            facts={"poster": f"sha256:{poster}" if poster else None, "problem": found.problem},
        )


def _examine(node: Node, clip: Clip) -> PictureFindings:
    """Look at a proved copy of the stored bytes; the copy goes when that is done."""
    key = layout.clip_key(Digest.of_sha256(clip.sha256 or ""))
    try:
        with node.register.read() as session:
            version = objects.versions_at(session, node.vault_name, key)[-1].version
        with proved_copy(node, node.vault, version, clip, DERIVE) as copy:
            return examine(copy, node.media_limits)
    except SealdockError as error:
        if error.retriable:
            raise
        return PictureFindings(problem=error.code)


def _store_poster(node: Node, clip: Clip, jpeg: bytes) -> str | None:
    """Put a poster frame beside its clip, locked as long; None if a vault will not have it."""
    digest = Digest.sha256(jpeg)
    until = lock_until(node, clip)
    try:
        placed = place(node, Document(StoredKind.DERIVED, layout.derived_key(digest), jpeg), until)
    except SealdockError as error:
        if error.retriable:
            raise
        return None
    at = node.clock.now()
    with node.register.write() as session:
        note_placed(session, placed, at)
    return digest.hex
