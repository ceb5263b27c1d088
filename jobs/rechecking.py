"""Clips that a docking did not read again: the vault is asked for them, and the card may give them back.

The register calls them safe; whether they still are only the vault knows. A clip that the vault has lost
is brought in again while its card is here. What cannot be mended is named in the close-out, and the
docking is not safe.
"""

from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy.orm import Session

from config.errors import (
    DigestMismatchError,
    LockMissingError,
    ObjectConflictError,
    ObjectMissingError,
    SourceError,
    SpoolFullError,
    SpoolUnavailableError,
    VaultFullError,
    VaultUnavailableError,
)
from hashing.digest import Digest
from ingest.offload import offload
from ingest.source import FolderSource
from jobs import outcomes
from jobs.node import Node
from jobs.storing import documents, lock_until
from jobs.verdict import Verdict
from jobs.verifying import with_seal
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, Outcome, Sighting, StoredKind, StoredObject
from metadata.repo import dockings, integrity, objects
from metadata.repo.objects import Stored
from metadata.states import SAFE, ClipState
from storage import layout
from storage.confirm import Expected, confirm, confirmation_of
from storage.integrity import Level, Target, check
from storage.vault import StoredVersion

_AWAY = (SpoolFullError, SpoolUnavailableError, VaultFullError, VaultUnavailableError)
"""What may come back by itself."""

_KNOWN = {Outcome.NOT_READ_AGAIN.value, Outcome.REREAD_SAME.value, Outcome.TO_REREAD.value}


def run(
    node: Node, source: FolderSource | None, docking_id: str, *, turn: AbstractContextManager[object]
) -> Verdict:
    """Check the clips that a docking took as safe already, and mend what its card can mend."""
    with node.register.read() as session:
        docking = dockings.get(session, docking_id)
        known = [
            (seen, clip)
            for seen, clip in dockings.sightings(session, docking_id)
            if seen.outcome in _KNOWN and ClipState(clip.state) in SAFE
        ]
    try:
        for seen, clip in known:
            problem = _problem(node, clip)
            if problem is not None:
                _treat(node, source, docking, seen, clip, problem, turn)
    except _AWAY:
        return Verdict.RETRY
    return Verdict.DONE


def _problem(node: Node, clip: Clip) -> str | None:
    """Return what the vault's answer for a clip lacks; one that failed before is read whole."""
    key = layout.clip_key(Digest.of_sha256(clip.sha256 or ""))
    with node.register.read() as session:
        versions = objects.versions_at(session, node.vault_name, key)
        stored = session.get_one(StoredObject, clip.sha256)
        level = Level.LOCK if integrity.last_problem(session, clip.id) is None else Level.FULL
    if not versions:
        return "not-stored"
    row = versions[-1]
    target = Target(key, row.version, row.size, row.lock_until, objects.chunks(stored), held=row.held)
    return with_seal(node, clip, stored, check(node.vault, target, level), level)


def _treat(
    node: Node,
    source: FolderSource | None,
    docking: Docking,
    seen: Sighting,
    clip: Clip,
    problem: str,
    turn: AbstractContextManager[object],
) -> None:
    with node.register.write() as session:
        _note(session, docking, clip, problem, node)
    try:
        _restore(node, source, docking, clip, turn)
        left = _problem(node, clip)
    except _AWAY:
        raise
    except (SourceError, ObjectMissingError, ObjectConflictError, DigestMismatchError, LockMissingError):
        left = problem
    at = node.clock.now()
    with node.register.write() as session:
        if left is not None:
            row = session.get_one(Sighting, seen.id)
            row.outcome, row.problem = Outcome.NOT_SAFE.value, left
            return
        events.append(
            session,
            EventKind.RESTORED,
            outcomes.operator(docking),
            at,
            attempt=docking.id,
            clip=clip.id,
            docking=docking.id,
            facts={"problem": problem},
        )


def _note(session: Session, docking: Docking, clip: Clip, problem: str, node: Node) -> None:
    """Log what was found and raise an alert, once for each docking."""
    kind = EventKind.INTEGRITY_FAILED
    if events.has(session, kind, subject=clip.id, attempt=docking.id):
        return
    at = node.clock.now()
    facts = {"run": docking.id, "problem": problem}
    actor = outcomes.operator(docking)
    events.append(session, kind, actor, at, attempt=docking.id, clip=clip.id, docking=docking.id, facts=facts)
    integrity.raise_alert(session, "integrity", at, clip=clip.id, facts=facts)


def _restore(
    node: Node,
    source: FolderSource | None,
    docking: Docking,
    clip: Clip,
    turn: AbstractContextManager[object],
) -> None:
    """Put back what the vault lacks of a clip: the original from the card, documents from the register."""
    expected = Digest.of_sha256(clip.sha256 or "")
    key = layout.clip_key(expected)
    with node.register.read() as session:
        beside = list(documents(session, clip))
        rows = [*objects.versions_at(session, node.vault_name, key)]
        for item in beside:
            rows += objects.versions_at(session, node.vault_name, item.key)
    # What was promised before stays promised.
    until = max([lock_until(node, clip), *(row.lock_until for row in rows if row.lock_until is not None)])
    versions = [version for version in node.vault.versions(key) if not version.marker]
    original = versions[0] if versions else _from_card(node, source, docking, clip, turn, until)
    put = [(original, StoredKind.ORIGINAL, expected)]
    for item in beside:
        version = node.vault.put_bytes(item.key, item.data, lock_until=until)
        put.append((version, item.kind, Digest.sha256(item.data)))
    found = [
        (
            confirm(node.vault, Expected(version.key, version.version, version.size, until)),
            kind,
            digest,
            confirmation_of(version),
        )
        for version, kind, digest in put
    ]
    at = node.clock.now()
    with node.register.write() as session:
        for version, kind, digest, how in found:
            stored = Stored(version, kind, digest.hex, how.value)
            objects.note_stored(session, node.vault_name, stored, at, confirmed=True)


def _from_card(
    node: Node,
    source: FolderSource | None,
    docking: Docking,
    clip: Clip,
    turn: AbstractContextManager[object],
    until: datetime,
) -> StoredVersion:
    """Copy a clip off the card with proof once more; DigestMismatchError if it is not the same any more."""
    expected = Digest.of_sha256(clip.sha256 or "")
    key = layout.clip_key(expected)
    if source is None:
        raise ObjectMissingError(key=key)
    spool = outcomes.spool_path(node, clip.id)
    volume = docking.volume["identity"]
    copied = offload(source, clip.path_bytes, spool, node.offload_rules, volume=volume, turn=turn)
    found = copied.reading.sha256
    try:
        if not found.matches(expected):  # before the vault, which takes a verified inode on our word
            raise DigestMismatchError(
                what=clip.path, algorithm="sha256", expected=expected.hex, found=found.hex
            )
        return node.vault.put_file(
            key,
            spool,
            digest=expected,
            size=clip.size,
            lock_until=until,
            verified_inode=copied.inode if copied.read_back == "media" else None,
        )
    finally:
        spool.unlink(missing_ok=True)
