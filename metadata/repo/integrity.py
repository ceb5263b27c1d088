"""Integrity runs, alerts and derivatives."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session
from ulid import ULID

from hashing import canonical
from hashing.merkle import leaf_hash, root
from metadata.models import (
    Alert,
    AlertAcknowledgement,
    Clip,
    Derivative,
    IntegrityResult,
    StoredKind,
    StoredVersion,
)
from metadata.states import SAFE

_SHORTEST_NAME = 6
_REMINDER = timedelta(hours=20)  # so that what a check finds every night comes back the next one
_COMPARED = 1000
"""So many standing alerts a new one is compared with, lest many failures take for ever."""
_KEPT = StoredVersion.lost_at.is_(None)
_APART = (StoredKind.INVENTORY, StoredKind.CLOSE, StoredKind.DOCKING_SEAL, StoredKind.DERIVED)


def stalest(session: Session, vaults: Sequence[str], *, read: bool = True) -> list[str]:
    """Return the digests of all originals, each once, the one that was read and hashed longest ago first.

    Objects never read come first, the oldest of them leading. Without ``read`` a look at the
    lock counts, too.
    """
    last = StoredVersion.verified_at if read else StoredVersion.checked_at
    query = (
        select(StoredVersion.sha256)
        .where(StoredVersion.vault.in_(vaults), StoredVersion.kind == StoredKind.ORIGINAL.value, _KEPT)
        .order_by(last.nulls_first(), StoredVersion.id)
    )
    return list(dict.fromkeys(session.scalars(query)))


def documents_apart(session: Session, vaults: Sequence[str]) -> list[StoredVersion]:
    """Return the versions of inventories, close-outs, their seals and poster frames, the stalest first."""
    kinds = [kind.value for kind in _APART]
    query = select(StoredVersion).where(StoredVersion.vault.in_(vaults), StoredVersion.kind.in_(kinds), _KEPT)
    return list(session.scalars(query.order_by(StoredVersion.verified_at.nulls_first(), StoredVersion.id)))


def count_safe(session: Session) -> int:
    """Return the number of confirmed and released clips."""
    safe = Clip.state.in_([state.value for state in SAFE])
    return session.scalar(select(func.count()).select_from(Clip).where(safe)) or 0


def without_version(session: Session, vault: str) -> list[Clip]:
    """Return clips that count as safe, but of which the register holds no version in this vault."""
    original = select(StoredVersion.id).where(
        StoredVersion.vault == vault,
        StoredVersion.kind == StoredKind.ORIGINAL.value,
        StoredVersion.sha256 == Clip.sha256,
        _KEPT,
    )
    query = select(Clip).where(Clip.state.in_([state.value for state in SAFE]), ~original.exists())
    return list(session.scalars(query.order_by(Clip.id)))


def safe_clips(session: Session, sha256: str) -> list[Clip]:
    """Return the confirmed and released clips that share an object."""
    query = select(Clip).where(Clip.sha256 == sha256, Clip.state.in_([state.value for state in SAFE]))
    return list(session.scalars(query.order_by(Clip.id)))


def raise_alert(
    session: Session,
    kind: str,
    at: datetime,
    *,
    clip: str | None = None,
    facts: Mapping[str, Any],
    once: bool = False,
) -> Alert:
    """Add an alert; with ``once``, return the same one instead if it still wants somebody.

    The same: of this kind and clip, with the same facts but for the run that found it. A check that is
    repeated every hour must not bury what is new below what is known; whoever acknowledged it is reminded by
    what finds it again a night later.
    """
    if once:
        for standing in _standing(session, kind, clip, at - _REMINDER):
            if _apart_from_run(standing.facts) == _apart_from_run(facts):
                return standing
    row = Alert(id=str(ULID()), kind=kind, clip_id=clip, facts=dict(facts), at=at)
    session.add(row)
    session.flush()
    return row


def _standing(session: Session, kind: str, clip: str | None, known_since: datetime) -> Sequence[Alert]:
    """Return the newest alerts of a kind and clip that have not ended, nor were settled before a time."""
    known = or_(AlertAcknowledgement.id.is_(None), AlertAcknowledgement.at >= known_since)
    query = (
        select(Alert)
        .outerjoin(AlertAcknowledgement, AlertAcknowledgement.alert_id == Alert.id)
        .where(Alert.kind == kind, Alert.clip_id == clip)
        .where(known, Alert.ended_at.is_(None))
        .order_by(Alert.id.desc())
        .limit(_COMPARED)
    )
    return session.scalars(query).all()


def _apart_from_run(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "run"}


def has_alert(session: Session, kind: str, facts: Mapping[str, Any]) -> bool:
    """Tell whether an alert of this kind with exactly these facts stands already."""
    return any(row.facts == facts for row in session.scalars(select(Alert).where(Alert.kind == kind)))


def is_open(session: Session, kind: str) -> bool:
    """Tell whether an alert of this kind stands that has not ended by itself."""
    query = select(Alert.id).where(Alert.kind == kind, Alert.ended_at.is_(None)).limit(1)
    return session.scalar(query) is not None


def standing(session: Session) -> frozenset[str]:
    """Return the kinds of alerts that have not ended by themselves, acknowledged or not."""
    return frozenset(session.scalars(select(Alert.kind).where(Alert.ended_at.is_(None)).distinct()))


def end_alerts(session: Session, kind: str, at: datetime) -> None:
    """Note that the cause of all alerts of this kind has gone."""
    session.execute(update(Alert).where(Alert.kind == kind, Alert.ended_at.is_(None)).values(ended_at=at))


def alerts_with_answers(
    session: Session, limit: int, *, every: bool
) -> list[tuple[Alert, AlertAcknowledgement | None]]:
    """Return the newest alerts, each with its acknowledgement.

    Without ``every`` only those that still want somebody: neither acknowledged nor ended by themselves.
    """
    query = (
        select(Alert, AlertAcknowledgement)
        .outerjoin(AlertAcknowledgement, AlertAcknowledgement.alert_id == Alert.id)
        .order_by(Alert.id.desc())
        .limit(limit)
    )
    if not every:
        query = query.where(AlertAcknowledgement.id.is_(None), Alert.ended_at.is_(None))
    return [(row[0], row[1]) for row in session.execute(query)]


def alerts_named(session: Session, ending: str) -> list[Alert]:
    """Return the alerts whose ids end so; one that is no part of an id, or too short, names none."""
    if len(ending) < _SHORTEST_NAME or not ending.isalnum():
        return []
    return list(session.scalars(select(Alert).where(Alert.id.endswith(ending)).limit(2)))


def acknowledgement(session: Session, alert_id: str) -> AlertAcknowledgement | None:
    """Return what somebody said of an alert, if anybody did."""
    return session.scalar(select(AlertAcknowledgement).where(AlertAcknowledgement.alert_id == alert_id))


def alert_counts(session: Session) -> dict[str, int]:
    """Return how many alerts of each kind still want somebody: neither acknowledged nor ended."""
    query = (
        select(Alert.kind, func.count())
        .outerjoin(AlertAcknowledgement, AlertAcknowledgement.alert_id == Alert.id)
        .where(AlertAcknowledgement.id.is_(None), Alert.ended_at.is_(None))
        .group_by(Alert.kind)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def underived(session: Session, limit: int = 10_000) -> list[str]:
    """Return ids of safe pictures-bearing clips that nothing was derived from yet."""
    query = (
        select(Clip.id)
        .outerjoin(Derivative, Derivative.clip_id == Clip.id)
        .where(
            Derivative.clip_id.is_(None),
            Clip.state.in_([state.value for state in SAFE]),
            Clip.kind.in_(["video", "still"]),
        )
        .order_by(Clip.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def results_root(session: Session, run: str) -> bytes:
    """Return the Merkle tree hash (RFC 6962) over the results of a run, in the order of their ids.

    The data of a leaf is the canonical JSON of ``clip``, ``problem``, ``bytes_read`` and ``at``.
    """
    query = (
        select(
            IntegrityResult.clip_id, IntegrityResult.problem, IntegrityResult.bytes_read, IntegrityResult.at
        )
        .where(IntegrityResult.run_id == run)
        .order_by(IntegrityResult.id)
    )
    return root(
        leaf_hash(canonical.encode({"clip": row[0], "problem": row[1], "bytes_read": row[2], "at": row[3]}))
        for row in session.execute(query.execution_options(yield_per=1000))
    )
