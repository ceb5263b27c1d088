"""Say who carries a recorder."""

from datetime import datetime

from jobs.node import Node
from metadata import events
from metadata.events import EventKind
from metadata.repo import recorders


def assign(node: Node, recorder: str, officer: str, start: datetime, end: datetime | None) -> None:
    """Record an assignment with its event. Raises RecorderNotFoundError and AssignmentOverlapError."""
    at = node.clock.now()
    with node.register.write() as session:
        recorder_id = recorders.get(session, recorder).id
        recorders.ensure_officer(session, officer, at)
        row = recorders.assign(session, recorder_id, officer, start, end)
        events.append(
            session,
            EventKind.ASSIGNED,
            node.actor,
            at,
            attempt=row.id,
            subject=recorder_id,
            facts={"officer": officer, "from": start, "to": end},
        )
