"""Alerts that somebody has looked at: who, when, and what came of it. An alert itself never goes."""

from collections.abc import Sequence

from sqlalchemy.orm import Session
from ulid import ULID

from jobs.node import Node
from metadata import events
from metadata.events import EventKind
from metadata.models import Alert, AlertAcknowledgement
from metadata.repo import integrity


def acknowledge(node: Node, ids: Sequence[str], note: str) -> list[tuple[Alert, bool]]:
    """Acknowledge alerts, each with its event; False beside one that somebody had acknowledged before.

    ``ids`` are ids of alerts, or their last 6 or more characters. All or none: raises LookupError with one
    that fits no alert, or several.
    """
    at = node.clock.now()
    done = []
    with node.register.write() as session:
        for given in dict.fromkeys(ids):
            alert = _find(session, given)
            before = integrity.acknowledgement(session, alert.id)
            if before is None:
                row = AlertAcknowledgement(
                    id=str(ULID()), alert_id=alert.id, actor=node.actor.to_json(), note=note, at=at
                )
                session.add(row)
                session.flush()
                events.append(
                    session,
                    EventKind.ALERT_ACKNOWLEDGED,
                    node.actor,
                    at,
                    attempt="0",
                    clip=alert.clip_id,
                    subject=alert.id,
                    facts={"alert": alert.id, "kind": alert.kind, "note": note},
                )
            done.append((alert, before is None))
    return done


def _find(session: Session, given: str) -> Alert:
    found = integrity.alerts_named(session, given.upper())
    if len(found) != 1:
        raise LookupError(given)
    return found[0]
