"""The store and confirm stages: original, manifest and seal go to the vault and are asked for again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from config.errors import (
    DigestMismatchError,
    LockMissingError,
    ObjectConflictError,
    ObjectMissingError,
    VaultFullError,
    VaultUnavailableError,
)
from hashing.digest import Algorithm, Digest
from jobs import outcomes
from jobs.node import Node
from jobs.verdict import Verdict
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, Seal, SealTimestamp, StoredKind, StoredVersion
from metadata.repo import clips, dockings, objects
from metadata.retention import LegalDate, lock_date
from metadata.states import ClipState, reached
from storage import layout
from storage.confirm import Confirmation, Expected, confirm
from storage.vault import StoredVersion as VaultVersion

CAP_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Document:
    """A small object that belongs to a clip."""

    kind: StoredKind
    key: str
    data: bytes


def sha256(value: str) -> Digest:
    """Return the digest with this hexadecimal value."""
    return Digest(Algorithm.SHA256, bytes.fromhex(value))


def documents(session: Session, clip: Clip) -> Iterator[Document]:
    """Yield what goes to the vault beside a sealed clip."""
    if clip.sha256 is None or clip.manifest_sha256 is None:
        raise ValueError(f"clip {clip.id} is not sealed")
    of, manifest = sha256(clip.sha256), sha256(clip.manifest_sha256)
    seal = session.get_one(Seal, clip.manifest_sha256)
    yield Document(StoredKind.MANIFEST, layout.manifest_key(of, manifest), seal.manifest)
    yield Document(StoredKind.SEAL, layout.seal_key(of, manifest), seal.signature)
    stamped = session.get(SealTimestamp, clip.manifest_sha256)
    if stamped is not None:
        key = layout.timestamped_seal_key(of, manifest)
        yield Document(StoredKind.TIMESTAMPED_SEAL, key, stamped.signature)


def store(node: Node, docking_id: str, position: int) -> Verdict:
    """Put a sealed clip and its documents into the vault."""
    return _attempt(node, docking_id, position, ClipState.STORED, _store)


def confirm_stored(node: Node, docking_id: str, position: int) -> Verdict:
    """Ask the vault for the exact versions it stored."""
    return _attempt(node, docking_id, position, ClipState.CONFIRMED, _confirm)


def _attempt(
    node: Node,
    docking_id: str,
    position: int,
    goal: ClipState,
    act: Callable[[Node, Docking, Clip], None],
) -> Verdict:
    with node.register.read() as session:
        _, clip = dockings.sighting(session, docking_id, position)
        docking = session.get_one(Docking, docking_id)
    if reached(ClipState(clip.state), goal):
        return Verdict.DONE
    try:
        act(node, docking, clip)
    except (VaultFullError, VaultUnavailableError) as error:
        outcomes.wait(node, docking, clip.id, error.code)
        return Verdict.RETRY
    except FileNotFoundError:
        # Neither spool nor vault has it: the next docking reads it again.
        outcomes.wait(node, docking, clip.id, "spool-copy-lost")
        return Verdict.ENDED
    except (ObjectConflictError, ObjectMissingError, DigestMismatchError, LockMissingError) as error:
        outcomes.end(node, docking, clip.id, ClipState.QUARANTINED, error.code)
        return Verdict.ENDED
    return Verdict.DONE


def _store(node: Node, docking: Docking, clip: Clip) -> None:
    if clip.sha256 is None:
        raise ValueError(f"clip {clip.id} has no digest")
    until = lock_until(node, clip)
    original = _put_original(node, clip, until)
    with node.register.read() as session:
        beside = list(documents(session, clip))
    stored = [(item, node.vault.put_bytes(item.key, item.data, lock_until=until)) for item in beside]
    at = node.clock.now()
    with node.register.write() as session:
        row = session.get_one(Clip, clip.id)
        outcomes.resume(row)
        clips.move(row, ClipState.STORED)
        _note(session, node, original, StoredKind.ORIGINAL, clip.sha256, at)
        for item, version in stored:
            _note(session, node, version, item.kind, Digest.sha256(item.data).hex, at)
        if any(item.kind is StoredKind.TIMESTAMPED_SEAL for item in beside):
            session.get_one(SealTimestamp, clip.manifest_sha256).stored = True
        events.append(
            session,
            EventKind.STORED,
            outcomes.operator(docking),
            at,
            attempt=docking.id,
            clip=clip.id,
            docking=docking.id,
            facts={
                "vault": node.vault.url,
                "key": original.key,
                "version": original.version,
                "adopted": original.adopted,
                "lock_mode": original.lock_mode.value,
                "lock_until": original.lock_until,
            },
        )
    # The vault adopted an object that was there: the spool copy has served its end.
    outcomes.spool_path(node, clip.id).unlink(missing_ok=True)


def lock_until(node: Node, clip: Clip) -> datetime:
    """Return the date that a sealed clip's objects must be locked until, from now."""
    legal = LegalDate(clip.retain_until, clip.permanent)
    return lock_date(legal, node.read_clock().trusted, node.settings.retention.lock_cap_months)


def _put_original(node: Node, clip: Clip, until: datetime) -> VaultVersion:
    digest = sha256(clip.sha256 or "")
    path = outcomes.spool_path(node, clip.id)
    verified: tuple[int, int] | None = None
    if clip.read_back == "media" and path.exists():
        # Offload read this very file back from the medium, and nothing writes to it since.
        status = path.stat(follow_symlinks=False)
        verified = (status.st_dev, status.st_ino)
    return node.vault.put_file(
        layout.clip_key(digest),
        path,
        digest=digest,
        size=clip.size,
        lock_until=until,
        verified_inode=verified,
    )


def _note(
    session: Session, node: Node, version: VaultVersion, kind: StoredKind, digest: str, at: datetime
) -> None:
    objects.note_stored(session, node.vault.url, version, kind, digest, at)


def _confirm(node: Node, docking: Docking, clip: Clip) -> None:
    until = lock_until(node, clip)
    with node.register.read() as session:
        keys = [layout.clip_key(sha256(clip.sha256 or ""))]
        keys += [item.key for item in documents(session, clip)]
        rows = [row for key in keys for row in objects.versions_at(session, node.vault.url, key)[-1:]]
    if len(rows) != len(keys):
        raise ObjectMissingError(key=keys[len(rows)])
    # A capped date moves with the clock: one that an earlier try set lies a little before it.
    least = until if clip.retain_until == until else until - CAP_SLACK
    found = [confirm(node.vault, Expected(row.key, row.version, row.size, least)) for row in rows]
    at = node.clock.now()
    with node.register.write() as session:
        for row, version in zip(rows, found, strict=True):
            kept = session.get_one(StoredVersion, row.id)
            kept.lock_mode, kept.lock_until = version.lock_mode.value, version.lock_until
            kept.confirmation, kept.confirmed_at = Confirmation.FULL.value, at
        clip_row = session.get_one(Clip, clip.id)
        outcomes.resume(clip_row)
        clips.move(clip_row, ClipState.CONFIRMED)
        events.append(
            session,
            EventKind.CONFIRMED,
            outcomes.operator(docking),
            at,
            attempt=docking.id,
            clip=clip.id,
            docking=docking.id,
            facts={
                "version": found[0].version,
                "confirmation": Confirmation.FULL.value,
                "lock_mode": found[0].lock_mode.value,
                "lock_until": found[0].lock_until,
            },
        )
