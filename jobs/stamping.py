"""Complete seals whose trusted timestamp is pending, and bring finished ones to the vault."""

from dataclasses import dataclass

from jobs.node import Node
from jobs.placing import note_placed, place
from jobs.sealing import add_timestamp, stamp
from jobs.storing import documents, lock_until
from metadata import events
from metadata.events import EventKind
from metadata.models import Clip, Seal, SealTimestamp, StoredKind
from metadata.repo import seals
from metadata.states import SAFE, ClipState


@dataclass(frozen=True, slots=True)
class Completed:
    """How many timestamps were set, and how many are still pending."""

    completed: int
    pending: int


def complete(node: Node) -> Completed:
    """Ask the authority for every pending timestamp; stop at the first that it does not give."""
    done = 0
    with node.register.read() as session:
        waiting = seals.pending(session)
    for seal in waiting:
        stamped, at = stamp(node, seal.signature, insist=True)
        if stamped is None:
            break
        with node.register.write() as session:
            if session.get(SealTimestamp, seal.manifest_sha256) is None:
                add_timestamp(session, node, seal.manifest_sha256, stamped, at)
                events.append(
                    session,
                    EventKind.TIMESTAMPED,
                    node.actor,
                    node.clock.now(),
                    attempt=seal.manifest_sha256,
                    clip=seal.clip_id,
                    facts={"manifest": f"sha256:{seal.manifest_sha256}", "time": at},
                )
        done += 1
    store_finished(node)
    with node.register.read() as session:
        pending = seals.timestamp_counts(session)["pending"]
    return Completed(completed=done, pending=pending)


def store_finished(node: Node) -> None:
    """Put timestamped seals of safe clips into the required vaults and confirm them."""
    with node.register.read() as session:
        rows = [
            (stamp_row, session.get_one(Clip, session.get_one(Seal, stamp_row.manifest_sha256).clip_id))
            for stamp_row in seals.unstored(session)
        ]
    for row, clip in rows:
        if ClipState(clip.state) in SAFE and clip.manifest_sha256 == row.manifest_sha256:
            _store(node, row, clip)


def _store(node: Node, row: SealTimestamp, clip: Clip) -> None:
    until = lock_until(node, clip)
    with node.register.read() as session:
        document = next(item for item in documents(session, clip) if item.kind is StoredKind.TIMESTAMPED_SEAL)
    placed = place(node, document, until)
    at = node.clock.now()
    with node.register.write() as session:
        note_placed(session, placed, at)
        session.get_one(SealTimestamp, row.manifest_sha256).stored = True
