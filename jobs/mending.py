"""Repairs of a reconciliation: only what a digest proves, never a byte of evidence less."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ulid import ULID

from config.errors import DigestMismatchError, ObjectMissingError
from hashing.digest import Digest
from jobs import closing, copies, copying, superseding
from jobs.identifying import Known
from jobs.node import Node, Store
from jobs.verdict import Verdict
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, StoredKind
from metadata.repo import doubts, integrity, objects
from metadata.repo.objects import Stored
from metadata.retention import LegalDate, lock_date
from storage import layout
from storage.confirm import Confirmation, Expected, binding, confirm
from storage.reading import read_all


def adopt(node: Node, store: Store, known: Known, key: str, version: str, *, done: str = "adopted") -> None:
    """Hash a version that the register does not name, lock it as its clip asks, and write it down.

    Raises DigestMismatchError if it is not what its key says, and what ``confirm`` raises.
    """
    with store.vault.open(key, version) as file:
        found = read_all(file)
    if found.sha256.hex != known.sha256:
        raise DigestMismatchError(what=key, algorithm="sha256", expected=known.sha256, found=found.sha256.hex)
    until = _policy(node, known)
    confirmed = confirm(store.vault, Expected(key, version, found.size, until))
    at = node.clock.now()
    with node.register.write() as session:
        stored = Stored(confirmed, known.kind, known.sha256, Confirmation.FULL.value)
        objects.note_stored(session, store.name, stored, at, confirmed=True)
    note(node, done, known.clip, known.docking, {"vault": store.name, "key": key, "version": version})


def note_lost(node: Node, store: Store, known: Known | None, key: str, version: str) -> str | None:
    """Write down that a vault lost a version of a key and holds another; return in a word why not."""
    if not superseding.note_lost(node, store, [key]):
        return "changed-meanwhile"
    clip, docking = (None, None) if known is None else (known.clip, known.docking)
    note(node, "noted-as-lost", clip, docking, {"vault": store.name, "key": key, "version": version})
    return None


def put_back(node: Node, store: Store, known: Known, key: str) -> None:
    """Store a document again that the vault has lost, from the register, locked as its clip asks."""
    if known.data is None:
        raise ValueError(f"the register does not hold what belongs at {key}")
    put = store.vault.put_bytes(key, known.data, lock_until=_policy(node, known))
    adopt(node, store, known, key, put.version, done="stored-again")
    superseding.note_lost(node, store, [key])


def bring(node: Node, store: Store, key: str) -> None:
    """Bring a version again that a vault has lost and another one holds, with proof.

    Raises ObjectMissingError or DigestMismatchError if no other one holds the right bytes.
    """
    with node.register.read() as session:
        row = objects.newest_at(session, store.name, [key])[key]
    copying.bring(node, store, [row], copies.MEND)
    superseding.note_lost(node, store, [key])


def lock_again(node: Node, store: Store, key: str, version: str) -> None:
    """Lock a version until the date that was confirmed once, or as the policy asks of new ones."""
    with node.register.read() as session:
        (row,) = [row for row in objects.versions_at(session, store.name, key) if row.version == version]
    now = node.read_clock().trusted
    floor = lock_date(
        LegalDate(now, permanent=False),
        now,
        node.settings.retention.lock_cap_months,
        floor=node.schedule.floor,
    )
    until = row.lock_until if row.lock_until is not None and row.lock_until > now else floor
    store.vault.extend_lock(key, version, until)
    found = store.vault.head(key, version)
    at = node.clock.now()
    facts = {"vault": store.name, "key": key, "version": version, "lock_until": found.lock_until}
    with node.register.write() as session:
        stored = Stored(
            found, StoredKind(row.kind), row.sha256, row.confirmation or Confirmation.CHECKSUM.value
        )
        objects.note_stored(session, store.name, stored, at)
        integrity.raise_alert(session, "lock-set-again", at, facts={"vault": store.name, "key": key})
    note(node, "locked", None, None, facts)


def spool_digest(path: Path) -> Digest:
    """Return the SHA-256 of a file in the spool. Raises OSError; a link is never followed."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        return read_all(file).sha256


def is_confirmed(node: Node, stores: tuple[Store, ...], digest: Digest) -> bool:
    """Tell whether every vault confirmed these bytes once, and still shows that version, locked."""
    key = layout.clip_key(digest)
    with node.register.read() as session:
        if doubts.standing(session, [clip.id for clip in integrity.safe_clips(session, digest.hex)]):
            return False  # a look at size and lock does not end what was found wrong with its bytes
    for store in stores:
        with node.register.read() as session:
            row = objects.newest_at(session, store.name, [key]).get(key)
        if row is None or row.confirmed_at is None:
            return False
        try:
            found = store.vault.head(key, row.version)
        except ObjectMissingError:
            return False
        if found.size != row.size or not binding(found):
            return False
    return True


def remove_copy(node: Node, path: Path, clip: str | None, digest: Digest) -> None:
    """Remove a file from the spool whose bytes every vault holds (``is_confirmed``)."""
    path.unlink(missing_ok=True)
    note(node, "removed", clip, None, {"file": path.name, "sha256": str(digest)})


def close_docking(node: Node, docking_id: str) -> str | None:
    """Write the close-out of a docking that nobody works on, as its clips stand, and store its documents."""
    closing.seal_inventory(node, docking_id)
    closing.close(node, docking_id)
    return publish_docking(node, docking_id)


def publish_docking(node: Node, docking_id: str) -> str | None:
    """Store the documents of a closed docking; return in a word why the vault would not have them."""
    verdict = closing.publish(node, docking_id)
    if verdict is Verdict.DONE:
        note(node, "published", None, docking_id, {})
        return None
    return "vault-away" if verdict is Verdict.RETRY else "vault-refused"


def note(node: Node, done: str, clip: str | None, docking: str | None, facts: Mapping[str, Any]) -> None:
    """Log a repair as a custody event: of the clip or docking, else of the station."""
    with node.register.write() as session:
        events.append(
            session,
            EventKind.RECONCILED,
            node.actor,
            node.clock.now(),
            attempt=str(ULID()),
            clip=clip,
            docking=docking,
            subject=None if clip or docking else node.station_id,
            facts={"done": done, **facts},
        )


def _policy(node: Node, known: Known) -> datetime:
    """Return the latest date that the clips of some bytes ask for; the floor where there are none."""
    now = node.read_clock().trusted
    with node.register.read() as session:
        clips = integrity.safe_clips(session, known.sha256) if known.kind is StoredKind.ORIGINAL else []
        if known.clip is not None:
            clips.append(session.get_one(Clip, known.clip))
    legal = [LegalDate(clip.retain_until, clip.permanent) for clip in clips if clip.manifest_sha256]
    legal.append(LegalDate(now, permanent=False))
    cap = node.settings.retention.lock_cap_months
    return max(lock_date(each, now, cap, floor=node.schedule.floor) for each in legal)
