"""The end of a docking: signed inventory and close-out, their place in the vault, release of clips."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
from hashing import canonical, seal
from hashing.digest import Digest
from jobs import outcomes, told
from jobs.node import Node
from jobs.placing import note_placed, place
from jobs.storing import Document
from jobs.verdict import Verdict
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Docking, Sighting, StoredKind
from metadata.repo import clips, dockings, integrity, objects
from metadata.retention import LegalDate, lock_date
from metadata.states import ClipState
from storage import layout

SCHEMA = "sealdock.close/1"
_PAGE = 500


def seal_inventory(node: Node, docking_id: str) -> None:
    """Sign the inventory, once."""
    with node.register.read() as session:
        docking = session.get_one(Docking, docking_id)
    if docking.inventory_seal:
        return
    signature = seal.sign(docking.inventory, node.signer)
    with node.register.write() as session:
        session.get_one(Docking, docking_id).inventory_seal = signature


def close(node: Node, docking_id: str) -> None:
    """Write and sign the close-out: what became of every clip. Once."""
    with node.register.read() as session:
        docking = session.get_one(Docking, docking_id)
        rows = dockings.sightings(session, docking_id)
        confirmations = objects.confirmations(session, [clip.sha256 for _, clip in rows if clip.sha256])
    if docking.close is not None:
        return
    at = node.clock.now()
    safe = clips.all_safe(clip for _, clip in rows) and not any(seen.problem for seen, _ in rows)
    data = canonical.encode(
        {
            "schema": SCHEMA,
            "docking": docking_id,
            "station": docking.station_id,
            "operator": docking.operator,
            "inventory": f"sha256:{docking.inventory_digest}",
            "at": at,
            "safe": safe,
            "clips": [_outcome(clip, seen, confirmations.get(clip.sha256 or "")) for seen, clip in rows],
        }
    )
    digest = Digest.sha256(data)
    signature = seal.sign(data, node.signer)
    with node.register.write() as session:
        row = session.get_one(Docking, docking_id)
        row.closed_at, row.close, row.close_digest, row.close_seal = at, data, digest.hex, signature
        events.append(
            session,
            EventKind.CLOSED,
            outcomes.operator(docking),
            at,
            attempt=docking_id,
            docking=docking_id,
            facts={"close": str(digest), "clips": len(rows), "safe": safe},
        )
    told.docking_closed(docking, Counter(clip.state for _, clip in rows), safe=safe)


def _outcome(clip: Clip, seen: Sighting, confirmation: str | None) -> Mapping[str, Any]:
    return {
        "index": seen.position,
        "clip": clip.id,
        "path": canonical.name(clip.path_bytes),
        "size": clip.size,
        "sha256": _digest(clip.sha256),
        "manifest": _digest(clip.manifest_sha256),
        "confirmation": confirmation,
        "state": clip.state,
        "reason": seen.problem or clip.reason,
        "outcome": seen.outcome,
    }


def _digest(value: str | None) -> str | None:
    return None if value is None else f"sha256:{value}"


def publish(node: Node, docking_id: str) -> Verdict:
    """Put inventory, close-out and their signatures into the required vaults, and confirm them."""
    with node.register.read() as session:
        docking = session.get_one(Docking, docking_id)
        rows = dockings.sightings(session, docking_id)
    until = _lock_until(node, [clip for _, clip in rows])
    try:
        for document in _documents(docking):
            placed = place(node, document, until)
            # A wrong clock must not put the seals outside their certificate's validity.
            at = node.read_clock().trusted
            with node.register.write() as session:
                note_placed(session, placed, at)
    except (SpoolFullError, SpoolUnavailableError, VaultFullError, VaultUnavailableError):
        return Verdict.RETRY
    except (ObjectConflictError, ObjectMissingError, DigestMismatchError, LockMissingError) as error:
        with node.register.write() as session:
            facts = {"docking": docking_id, "problem": error.code}
            integrity.raise_alert(session, "docking-documents", node.clock.now(), facts=facts)
        return Verdict.ENDED
    return Verdict.DONE


def _documents(docking: Docking) -> list[Document]:
    if docking.close is None or docking.close_seal is None:
        raise ValueError(f"docking {docking.id} is not closed")
    inventory, inventory_seal, close, close_seal = layout.docking_keys(
        docking.station_id, docking.id, docking.started_at
    )
    return [
        Document(StoredKind.INVENTORY, inventory, docking.inventory),
        Document(StoredKind.DOCKING_SEAL, inventory_seal, docking.inventory_seal),
        Document(StoredKind.CLOSE, close, docking.close),
        Document(StoredKind.DOCKING_SEAL, close_seal, docking.close_seal),
    ]


def _lock_until(node: Node, of: list[Clip]) -> datetime:
    """Return the latest lock date of the docking's clips, or the floor for an empty card."""
    now = node.read_clock().trusted
    cap = node.settings.retention.lock_cap_months
    legal = [LegalDate(clip.retain_until, clip.permanent) for clip in of if clip.manifest_sha256]
    legal.append(LegalDate(now, permanent=False))
    return max(lock_date(item, now, cap, floor=node.schedule.floor) for item in legal)


def release(node: Node, docking_id: str) -> None:
    """Mark confirmed clips as released: nothing of them is left in the spool."""
    with node.register.read() as session:
        docking = session.get_one(Docking, docking_id)
        confirmed = [
            clip.id
            for _, clip in dockings.sightings(session, docking_id)
            if clip.state == ClipState.CONFIRMED.value
        ]
    for clip_id in confirmed:
        outcomes.spool_path(node, clip_id).unlink(missing_ok=True)
    for start in range(0, len(confirmed), _PAGE):
        _release_page(node, docking, confirmed[start : start + _PAGE])


def _release_page(node: Node, docking: Docking, page: list[str]) -> None:
    at = node.clock.now()
    with node.register.write() as session:
        for clip_id in page:
            row = session.get_one(Clip, clip_id)
            if ClipState(row.state) is not ClipState.CONFIRMED:
                continue
            clips.move(row, ClipState.RELEASED)
            events.append(
                session,
                EventKind.RELEASED,
                outcomes.operator(docking),
                at,
                attempt=docking.id,
                clip=clip_id,
                docking=docking.id,
            )
