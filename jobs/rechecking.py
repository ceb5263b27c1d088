"""Clips that a docking did not read again: the vaults are asked for them, and the card may give them back.

The register calls them safe; whether they still are only the vaults know. A clip that one of them has lost
comes from another one, or is brought in again while its card is here. What cannot be mended is named in the
close-out, and the docking is not safe.
"""

from contextlib import AbstractContextManager, suppress
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
from jobs import copies, outcomes
from jobs.copying import bring
from jobs.node import MAIN, Node, Store
from jobs.sealed import with_seal
from jobs.storing import documents, lock_until
from jobs.superseding import note_lost
from jobs.verdict import Verdict
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, Outcome, Sighting, StoredKind, StoredObject
from metadata.models import StoredVersion as NotedVersion
from metadata.repo import dockings, doubts, integrity, objects
from metadata.repo.objects import Stored
from metadata.states import SAFE, ClipState
from storage import layout
from storage.confirm import Confirmation, Expected, confirm, confirmation_of
from storage.integrity import Level, Target, check
from storage.vault import StoredVersion

_AWAY = (SpoolFullError, SpoolUnavailableError, VaultFullError, VaultUnavailableError)
"""What may come back by itself."""

_KNOWN = {Outcome.NOT_READ_AGAIN.value, Outcome.REREAD_SAME.value, Outcome.TO_REREAD.value}


def run(
    node: Node,
    source: FolderSource | None,
    docking_id: str,
    *,
    turn: AbstractContextManager[object],
    whole: bool = False,
) -> Verdict:
    """Check the clips that a docking took as safe already, and mend what its card can mend.

    With ``whole`` every byte of them is read; without, only of those against which anything stands.
    """
    with node.register.read() as session:
        docking = dockings.get(session, docking_id)
        known = [
            (seen, clip)
            for seen, clip in dockings.sightings(session, docking_id)
            if seen.outcome in _KNOWN and ClipState(clip.state) in SAFE
        ]
    try:
        for seen, clip in known:
            left = [_recheck(node, store, source, docking, clip, turn, whole) for store in node.required]
            _note_left(node, seen, [problem for problem in left if problem is not None])
    except _AWAY:
        return Verdict.RETRY
    return Verdict.DONE


def _recheck(
    node: Node,
    store: Store,
    source: FolderSource | None,
    docking: Docking,
    clip: Clip,
    turn: AbstractContextManager[object],
    whole: bool,
) -> str | None:
    """Check a clip in one vault and mend it; return what is wrong with it still."""
    if store.name != MAIN:
        _bring_new(node, store, clip)
    problem = _problem(node, store, clip, whole)
    if problem is None:
        if whole:
            _note_read(node, store, clip)
        return None
    with node.register.write() as session:
        _note(session, node, store, docking, clip, problem)
    try:
        _restore(node, store, source, docking, clip, turn)
        left = _problem(node, store, clip, whole)
    except _AWAY:
        raise
    except (SourceError, ObjectMissingError, ObjectConflictError, DigestMismatchError, LockMissingError):
        left = problem
    if left is not None:
        return store.told(left)
    with node.register.write() as session:
        events.append(
            session,
            EventKind.RESTORED,
            outcomes.operator(docking),
            node.clock.now(),
            attempt=_attempt(store, docking),
            clip=clip.id,
            docking=docking.id,
            facts={"problem": store.told(problem)},
        )
    return None


def _note_left(node: Node, seen: Sighting, problems: list[str]) -> None:
    if problems:
        with node.register.write() as session:
            row = session.get_one(Sighting, seen.id)
            row.outcome, row.problem = Outcome.NOT_SAFE.value, problems[0]


def _bring_new(node: Node, store: Store, clip: Clip) -> None:
    """Bring a clip to a vault that came after it: that it lacks it so far is no fault, and no alert."""
    digest = Digest.of_sha256(clip.sha256 or "")
    with node.register.read() as session:
        keys = [layout.clip_key(digest), *(item.key for item in documents(session, clip))]
        noted = objects.newest_at(session, store.name, keys)
        rows = [row for key, row in objects.newest_at(session, MAIN, keys).items() if key not in noted]
    try:
        if rows:
            bring(node, store, rows, copies.DOCK)
    except (ObjectMissingError, ObjectConflictError, DigestMismatchError, LockMissingError):
        return  # the check that follows finds out


def _problem(node: Node, store: Store, clip: Clip, whole: bool) -> str | None:
    """Return what a vault's answer for a clip lacks; one against which anything stands is read whole."""
    key = layout.clip_key(Digest.of_sha256(clip.sha256 or ""))
    with node.register.read() as session:
        versions = objects.versions_at(session, store.name, key)
        stored = session.get_one(StoredObject, clip.sha256)
        level = Level.FULL if whole or doubts.standing(session, [clip.id]) else Level.LOCK
    if not versions:
        return "not-stored"
    row = versions[-1]
    target = Target(key, row.version, row.size, row.lock_until, objects.chunks(stored), held=row.held)
    return with_seal(node, store, clip, stored, check(store.vault, target, level), level)


def _note_read(node: Node, store: Store, clip: Clip) -> None:
    """Write down that a clip was read back, if the store's own checksum stood for its bytes so far."""
    key = layout.clip_key(Digest.of_sha256(clip.sha256 or ""))
    with node.register.read() as session:
        row = objects.versions_at(session, store.name, key)[-1]
    if row.confirmed_at is not None and row.confirmation != Confirmation.FULL.value:
        with node.register.write() as session:
            session.get_one(NotedVersion, row.id).confirmation = Confirmation.FULL.value


def _note(session: Session, node: Node, store: Store, docking: Docking, clip: Clip, problem: str) -> None:
    """Log what was found and raise an alert, once for each docking and vault."""
    kind, attempt = EventKind.INTEGRITY_FAILED, _attempt(store, docking)
    if events.has(session, kind, subject=clip.id, attempt=attempt):
        return
    at = node.clock.now()
    facts = {"run": docking.id, "problem": store.told(problem)}
    actor = outcomes.operator(docking)
    events.append(session, kind, actor, at, attempt=attempt, clip=clip.id, docking=docking.id, facts=facts)
    integrity.raise_alert(session, "integrity", at, clip=clip.id, facts=facts, once=True)


def _attempt(store: Store, docking: Docking) -> str:
    return docking.id if store.name == MAIN else f"{docking.id}/{store.name}"


def _restore(
    node: Node,
    store: Store,
    source: FolderSource | None,
    docking: Docking,
    clip: Clip,
    turn: AbstractContextManager[object],
) -> None:
    """Put back what a vault lacks of a clip: the original from another vault or the card, documents too."""
    expected = Digest.of_sha256(clip.sha256 or "")
    key = layout.clip_key(expected)
    with node.register.read() as session:
        beside = list(documents(session, clip))
        rows = [*objects.versions_at(session, store.name, key)]
        for item in beside:
            rows += objects.versions_at(session, store.name, item.key)
    # What was promised before stays promised.
    until = max([lock_until(node, clip), *(row.lock_until for row in rows if row.lock_until is not None)])
    versions = [version for version in store.vault.versions(key) if not version.marker]
    original = versions[0] if versions else _original(node, store, source, docking, clip, turn, until)
    put = [(original, StoredKind.ORIGINAL, expected)]
    for item in beside:
        version = store.vault.put_bytes(item.key, item.data, lock_until=until)
        put.append((version, item.kind, Digest.sha256(item.data)))
    found = [
        (
            confirm(store.vault, Expected(version.key, version.version, version.size, until)),
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
            objects.note_stored(session, store.name, stored, at, confirmed=True)
    note_lost(node, store, [version.key for version, _, _ in put])


def _original(
    node: Node,
    store: Store,
    source: FolderSource | None,
    docking: Docking,
    clip: Clip,
    turn: AbstractContextManager[object],
    until: datetime,
) -> StoredVersion:
    """Put the original back from another vault, else from the card."""
    expected = Digest.of_sha256(clip.sha256 or "")
    with (
        suppress(DigestMismatchError, ObjectMissingError, VaultUnavailableError),
        copies.copy_from_others(node, store, clip, copies.DOCK) as (path, _),
    ):
        key = layout.clip_key(expected)
        return store.vault.put_file(key, path, digest=expected, size=clip.size, lock_until=until)
    return _from_card(node, store, source, docking, clip, turn, until)


def _from_card(
    node: Node,
    store: Store,
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
        return store.vault.put_file(
            key,
            spool,
            digest=expected,
            size=clip.size,
            lock_until=until,
            verified_inode=copied.inode if copied.read_back == "media" else None,
        )
    finally:
        spool.unlink(missing_ok=True)
