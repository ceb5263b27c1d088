"""The store and confirm stages: original, manifest and seal go to the vault and are asked for again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
from hashing.digest import Digest
from ingest.offload import Proved
from jobs import outcomes, told
from jobs.node import Node
from jobs.verdict import Verdict
from metadata import events
from metadata.clock import ClockReading
from metadata.events import EventKind
from metadata.models import Clip, Docking, Seal, SealTimestamp, StoredKind, StoredVersion
from metadata.repo import clips, dockings, objects
from metadata.repo.objects import Stored
from metadata.retention import LegalDate, lock_date
from metadata.states import ClipState, reached
from storage import layout
from storage.confirm import Expected, confirm, confirmation_of
from storage.vault import StoredVersion as VaultVersion

CAP_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Document:
    """A small object that belongs to a clip."""

    kind: StoredKind
    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Work:
    """What both stages work on: a sealed clip, what goes beside it, and the date to lock it until."""

    docking: Docking
    clip: Clip
    digest: Digest
    beside: list[Document]
    until: datetime
    noted: Mapping[str, StoredVersion]
    """The newest versions that the register names, by key; for confirming."""

    @property
    def keys(self) -> list[str]:
        """Return the keys, the original's first."""
        return [layout.clip_key(self.digest), *(item.key for item in self.beside)]


def documents(session: Session, clip: Clip) -> Iterator[Document]:
    """Yield what goes to the vault beside a sealed clip."""
    if clip.sha256 is None or clip.manifest_sha256 is None:
        raise ValueError(f"clip {clip.id} is not sealed")
    of, manifest = Digest.of_sha256(clip.sha256), Digest.of_sha256(clip.manifest_sha256)
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
    act: Callable[[Node, _Work], None],
) -> Verdict:
    with node.register.read() as session:
        clip = dockings.clip_at(session, docking_id, position)
        if reached(outcomes.come_to(clip), goal):
            return Verdict.DONE
        docking = node.docking(session, docking_id)
        if outcomes.taken_over(docking, clip):
            return Verdict.ENDED
        until = _lock_until(node, clip, node.weigh_clock(session))
        digest = Digest.of_sha256(clip.sha256 or "")
        work = _Work(docking, clip, digest, list(documents(session, clip)), until, {})
        if goal is ClipState.CONFIRMED:
            work = replace(work, noted=objects.newest_at(session, node.vault_name, work.keys))
    try:
        act(node, work)
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


def _store(node: Node, work: _Work) -> None:
    clip = work.clip
    original = _put_original(node, work)
    stored = [_stored(original, StoredKind.ORIGINAL, work.digest)]
    for item in work.beside:
        version = node.vault.put_bytes(item.key, item.data, lock_until=work.until)
        stored.append(_stored(version, item.kind, Digest.sha256(item.data)))
    at = node.clock.now()
    with node.register.write() as session:
        objects.note_all_stored(session, node.vault_name, stored, at)
        row = session.get_one(Clip, clip.id)
        if outcomes.taken_over(work.docking, row):
            return
        outcomes.resume(row)
        clips.move(row, ClipState.STORED)
        if any(item.kind is StoredKind.TIMESTAMPED_SEAL for item in work.beside):
            session.get_one(SealTimestamp, clip.manifest_sha256).stored = True
        events.append(
            session,
            EventKind.STORED,
            outcomes.operator(work.docking),
            at,
            attempt=work.docking.id,
            clip=clip.id,
            docking=work.docking.id,
            facts={
                "vault": node.vault.url,
                "key": original.key,
                "version": original.version,
                "adopted": original.adopted,
                "lock_mode": original.lock_mode.value,
                "lock_until": original.lock_until,
            },
        )
    told.stored(clip, work.docking, adopted=original.adopted)
    # The vault adopted an object that was there: the spool copy has served its end.
    outcomes.spool_path(node, clip.id).unlink(missing_ok=True)
    node.proved.pop(clip.id, None)


def _stored(put: VaultVersion, kind: StoredKind, digest: Digest) -> Stored:
    return Stored(put, kind, digest.hex, confirmation_of(put).value)


def lock_until(node: Node, clip: Clip) -> datetime:
    """Return the date that new objects of a sealed clip must be locked until, from now."""
    return _lock_until(node, clip, node.read_clock())


def _lock_until(node: Node, clip: Clip, clock: ClockReading) -> datetime:
    legal = LegalDate(clip.retain_until, clip.permanent)
    return lock_date(legal, clock.trusted, node.settings.retention.lock_cap_months, floor=node.schedule.floor)


def _put_original(node: Node, work: _Work) -> VaultVersion:
    clip = work.clip
    path = outcomes.spool_path(node, clip.id)
    verified: tuple[int, int] | None = None
    proved = node.proved.get(clip.id)
    # Offload read this very file back from the medium, a moment ago, and nothing wrote to it since.
    if proved is not None and path.exists() and Proved.of(path.stat(follow_symlinks=False)) == proved:
        verified = proved.inode
    return node.vault.put_file(
        layout.clip_key(work.digest),
        path,
        digest=work.digest,
        size=clip.size,
        lock_until=work.until,
        verified_inode=verified,
    )


def _confirm(node: Node, work: _Work) -> None:
    clip, docking = work.clip, work.docking
    missing = [key for key in work.keys if key not in work.noted]
    if missing:
        raise ObjectMissingError(key=missing[0])
    rows = [work.noted[key] for key in work.keys]
    # A capped date moves with the clock: one that an earlier try set lies a little before it.
    least = work.until if clip.retain_until == work.until else work.until - CAP_SLACK
    found = [confirm(node.vault, Expected(row.key, row.version, row.size, least)) for row in rows]
    at = node.clock.now()
    with node.register.write() as session:
        answers = {row.id: version for row, version in zip(rows, found, strict=True)}
        objects.note_confirmed(session, answers, at)
        clip_row = session.get_one(Clip, clip.id)
        if outcomes.taken_over(docking, clip_row):
            return
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
                "confirmation": rows[0].confirmation,
                "lock_mode": found[0].lock_mode.value,
                "lock_until": found[0].lock_until,
            },
        )
    told.confirmed(clip, docking, rows[0].confirmation)
