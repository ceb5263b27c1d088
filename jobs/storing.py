"""The store and confirm stages: original, manifest and seal go to the vaults and are asked for again.

The main vault is the last: it may take the spool's copy over, and until then that is there for the others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from config.errors import (
    DigestMismatchError,
    LockMissingError,
    ObjectConflictError,
    ObjectMissingError,
    SpoolFullError,
    SpoolUnavailableError,
    VaultFullError,
    VaultUnavailableError,
)
from hashing.digest import Digest
from ingest.offload import Proved
from jobs import outcomes, told
from jobs.copies import bring_back
from jobs.node import MAIN, Node, Store
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
_AWAY = (SpoolFullError, SpoolUnavailableError, VaultFullError, VaultUnavailableError)
"""What may come back by itself; the spool is needed where one vault gives a copy for the other."""
_Found = TypeVar("_Found")


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
    noted: Mapping[str, Mapping[str, StoredVersion]]
    """The newest versions that the register names, by vault and key; for confirming."""

    @property
    def keys(self) -> list[str]:
        """Return the keys, the original's first."""
        return [layout.clip_key(self.digest), *(item.key for item in self.beside)]


@dataclass(frozen=True, slots=True)
class _Put:
    """What one vault said of what it was given, the original among it."""

    original: VaultVersion
    versions: list[Stored]


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
    """Put a sealed clip and its documents into the vaults."""
    return _attempt(node, docking_id, position, ClipState.STORED, _put, _stored)


def confirm_stored(node: Node, docking_id: str, position: int) -> Verdict:
    """Ask the vaults for the exact versions they stored."""
    return _attempt(node, docking_id, position, ClipState.CONFIRMED, _confirm, _confirmed)


def _attempt(
    node: Node,
    docking_id: str,
    position: int,
    goal: ClipState,
    act: Callable[[Node, Store, _Work], _Found],
    note: Callable[[Node, _Work, Mapping[str, _Found]], None],
) -> Verdict:
    """Act in one vault after the other, and write it down when it is done in all of them."""
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
            noted = {each.name: objects.newest_at(session, each.name, work.keys) for each in node.required}
            work = replace(work, noted=noted)
    found = {}
    vault = node.required[0]
    try:
        if goal is ClipState.STORED and len(node.required) > 1:
            for vault in node.required:  # one that is away should be known before anything is sent
                vault.vault.versions(work.keys[0])
        for vault in reversed(node.required):
            found[vault.name] = act(node, vault, work)
    except _AWAY as error:
        of_spool = isinstance(error, SpoolFullError | SpoolUnavailableError)
        outcomes.wait(node, docking, clip.id, error.code if of_spool else vault.reason(error.code))
        return Verdict.RETRY
    except FileNotFoundError:
        # Neither spool nor vault has it: the next docking reads it again.
        outcomes.wait(node, docking, clip.id, "spool-copy-lost")
        return Verdict.ENDED
    except (ObjectConflictError, ObjectMissingError, DigestMismatchError, LockMissingError) as error:
        outcomes.end(node, docking, clip.id, ClipState.QUARANTINED, vault.reason(error.code))
        return Verdict.ENDED
    note(node, work, found)
    return Verdict.DONE


def _put(node: Node, store: Store, work: _Work) -> _Put:
    """Put the original and what goes beside it into one vault."""
    original = _put_original(node, store, work)
    versions = [Stored(original, StoredKind.ORIGINAL, work.digest.hex, confirmation_of(original).value)]
    for item in work.beside:
        put = store.vault.put_bytes(item.key, item.data, lock_until=work.until)
        digest = Digest.sha256(item.data)
        versions.append(Stored(put, item.kind, digest.hex, confirmation_of(put).value))
    return _Put(original, versions)


def _put_original(node: Node, store: Store, work: _Work) -> VaultVersion:
    path = outcomes.spool_path(node, work.clip.id)
    try:
        return _put_copy(node, store, work, path)
    except FileNotFoundError:
        # A vault took the copy over, and the process was killed before it was written down.
        bring_back(node, store, work.clip, path)
        return _put_copy(node, store, work, path)


def _put_copy(node: Node, store: Store, work: _Work, path: Path) -> VaultVersion:
    clip = work.clip
    verified: tuple[int, int] | None = None
    proved = node.proved.get(clip.id)
    # Offload read this very file back from the medium, a moment ago, and nothing wrote to it since.
    if proved is not None and path.exists() and Proved.of(path.stat(follow_symlinks=False)) == proved:
        verified = proved.inode
    return store.vault.put_file(
        layout.clip_key(work.digest),
        path,
        digest=work.digest,
        size=clip.size,
        lock_until=work.until,
        verified_inode=verified,
        keep=store.name != MAIN,
    )


def _stored(node: Node, work: _Work, found: Mapping[str, _Put]) -> None:
    clip = work.clip
    facts = {
        name: {
            "vault": node.store(name).vault.url,
            "key": put.original.key,
            "version": put.original.version,
            "adopted": put.original.adopted,
            "lock_mode": put.original.lock_mode.value,
            "lock_until": put.original.lock_until,
        }
        for name, put in found.items()
    }
    at = node.clock.now()
    with node.register.write() as session:
        for name, put in found.items():
            objects.note_all_stored(session, name, put.versions, at)
        row = session.get_one(Clip, clip.id)
        if outcomes.taken_over(work.docking, row):
            return
        outcomes.resume(row)
        clips.move(row, ClipState.STORED)
        if any(item.kind is StoredKind.TIMESTAMPED_SEAL for item in work.beside):
            session.get_one(SealTimestamp, clip.manifest_sha256).stored = True
        _log(session, EventKind.STORED, work, at, facts)
    told.stored(clip, work.docking, adopted=found[MAIN].original.adopted)
    # Where no vault took it over, the spool copy has served its end.
    outcomes.spool_path(node, clip.id).unlink(missing_ok=True)
    node.proved.pop(clip.id, None)


def _log(
    session: Session, kind: EventKind, work: _Work, at: datetime, facts: Mapping[str, Mapping[str, Any]]
) -> None:
    """Log what the vaults said: the main one's facts as they are, another one's under its name."""
    others = {name: said for name, said in facts.items() if name != MAIN}
    events.append(
        session,
        kind,
        outcomes.operator(work.docking),
        at,
        attempt=work.docking.id,
        clip=work.clip.id,
        docking=work.docking.id,
        facts={**facts[MAIN], **others},
    )


def lock_until(node: Node, clip: Clip) -> datetime:
    """Return the date that new objects of a sealed clip must be locked until, from now."""
    return _lock_until(node, clip, node.read_clock())


def _lock_until(node: Node, clip: Clip, clock: ClockReading) -> datetime:
    legal = LegalDate(clip.retain_until, clip.permanent)
    return lock_date(legal, clock.trusted, node.settings.retention.lock_cap_months, floor=node.schedule.floor)


def _confirm(node: Node, store: Store, work: _Work) -> list[tuple[StoredVersion, VaultVersion]]:
    """Ask one vault for the versions that the register names; returns them with its answers."""
    noted = work.noted[store.name]
    if store.name != MAIN and not noted.keys() >= set(work.keys):
        noted = _put_late(node, store, work)
    missing = [key for key in work.keys if key not in noted]
    if missing:
        raise ObjectMissingError(key=missing[0])
    # A capped date moves with the clock: one that an earlier try set lies a little before it.
    least = work.until if work.clip.retain_until == work.until else work.until - CAP_SLACK
    rows = [noted[key] for key in work.keys]
    return [(row, confirm(store.vault, Expected(row.key, row.version, row.size, least))) for row in rows]


def _put_late(node: Node, store: Store, work: _Work) -> Mapping[str, StoredVersion]:
    """Put a clip into a vault that became a required one after the clip was stored."""
    put = _put(node, store, work)
    with node.register.write() as session:
        rows = objects.note_all_stored(session, store.name, put.versions, node.clock.now())
    return {row.key: row for row in rows}


def _confirmed(
    node: Node, work: _Work, found: Mapping[str, list[tuple[StoredVersion, VaultVersion]]]
) -> None:
    clip = work.clip
    facts = {
        name: {
            "version": said[0][1].version,
            "confirmation": said[0][0].confirmation,
            "lock_mode": said[0][1].lock_mode.value,
            "lock_until": said[0][1].lock_until,
        }
        for name, said in found.items()
    }
    at = node.clock.now()
    with node.register.write() as session:
        answers = {row.id: version for said in found.values() for row, version in said}
        objects.note_confirmed(session, answers, at)
        row = session.get_one(Clip, clip.id)
        if outcomes.taken_over(work.docking, row):
            return
        outcomes.resume(row)
        clips.move(row, ClipState.CONFIRMED)
        _log(session, EventKind.CONFIRMED, work, at, facts)
    told.confirmed(clip, work.docking, found[MAIN][0][0].confirmation)
