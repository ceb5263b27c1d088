"""Clear a recorder after its docking, clip by clip, where the policy says so. Off by default."""

from config.errors import DigestMismatchError, ObjectMissingError, SealdockError
from hashing.digest import Digest
from ingest.clearing import clear
from ingest.source import FolderSource
from jobs import outcomes
from jobs.node import MAIN, Node, Store
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, StoredVersion
from metadata.repo import dockings, integrity, objects
from metadata.states import SAFE, ClipState
from storage import layout
from storage.confirm import Confirmation
from storage.reading import read_all

NEVER = "never"


def clear_recorder(node: Node, source: FolderSource | None, docking_id: str) -> int:
    """Clear what this docking saw and the vault holds; return how many clips went.

    For each clip: the register says safe, the copy in every required vault is read back whole now (what was
    confirmed by a checksum is confirmed in full by that), and the file on the card is hashed a second time.
    Anything else leaves the file where it is, with an event.
    """
    if node.settings.clearing.policy == NEVER or source is None:
        return 0
    with node.register.read() as session:
        docking = session.get_one(Docking, docking_id)
        rows = [clip for _, clip in dockings.sightings(session, docking_id)]
    return sum(_clear(node, source, docking, clip) for clip in rows if ClipState(clip.state) in SAFE)


def _clear(node: Node, source: FolderSource, docking: Docking, clip: Clip) -> bool:
    expected = Digest.of_sha256(clip.sha256 or "")
    try:
        for store in node.required:
            _read_back(node, store, docking, clip, expected)
        clear(source, clip.path_bytes, expected, volume=docking.volume["identity"])
    except (SealdockError, OSError) as error:
        _log(node, docking, clip, EventKind.CLEARING_REFUSED, _problem(error))
        return False
    _log(node, docking, clip, EventKind.CLEARED, None)
    return True


def _read_back(node: Node, store: Store, docking: Docking, clip: Clip, expected: Digest) -> None:
    """Raise unless the exact version stored in a vault was confirmed and gives the digest now."""
    key = layout.clip_key(expected)
    with node.register.read() as session:
        versions = objects.versions_at(session, store.name, key)
    if not versions or versions[-1].confirmed_at is None:
        raise ObjectMissingError(key=key)
    with store.vault.open(key, versions[-1].version) as stored:
        found = read_all(stored).sha256
    if not found.matches(expected):
        raise DigestMismatchError(what=key, algorithm="sha256", expected=expected.hex, found=found.hex)
    if versions[-1].confirmation != Confirmation.FULL.value:
        _confirm_in_full(node, store, docking, clip, versions[-1])


def _confirm_in_full(node: Node, store: Store, docking: Docking, clip: Clip, version: StoredVersion) -> None:
    """Note that a version that was confirmed by its store's checksum has been read back whole since."""
    at = node.clock.now()
    with node.register.write() as session:
        row = session.get_one(StoredVersion, version.id)
        row.confirmation, row.confirmed_at = Confirmation.FULL.value, at
        attempt = f"{docking.id}/full" if store.name == MAIN else f"{docking.id}/{store.name}/full"
        if not events.has(session, EventKind.CONFIRMED, subject=clip.id, attempt=attempt):
            facts = {
                "version": row.version,
                "confirmation": row.confirmation,
                "lock_mode": row.lock_mode,
                "lock_until": row.lock_until,
                **store.fact(),
            }
            actor = outcomes.operator(docking)
            events.append(
                session,
                EventKind.CONFIRMED,
                actor,
                at,
                attempt=attempt,
                clip=clip.id,
                docking=docking.id,
                facts=facts,
            )


def _problem(error: SealdockError | OSError) -> str:
    return error.code if isinstance(error, SealdockError) else str(error)


def _log(node: Node, docking: Docking, clip: Clip, kind: EventKind, problem: str | None) -> None:
    at = node.clock.now()
    with node.register.write() as session:
        if events.has(session, kind, subject=clip.id, attempt=docking.id):
            return
        events.append(
            session,
            kind,
            outcomes.operator(docking),
            at,
            attempt=docking.id,
            clip=clip.id,
            docking=docking.id,
            facts={} if problem is None else {"problem": problem},
        )
        if kind is EventKind.CLEARING_REFUSED:
            facts = {"docking": docking.id, "problem": problem}
            integrity.raise_alert(session, "clearing-refused", at, clip=clip.id, facts=facts)
