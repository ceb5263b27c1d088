"""Confirm the station's clock: a person vouches for it, and that is logged."""

from ulid import ULID

from config.errors import ClockImplausibleError
from jobs.node import Node
from metadata import events
from metadata.clock import RELEASED
from metadata.events import EventKind


def confirm_clock(node: Node) -> None:
    """Vouch for the clock as it stands. Raises ClockImplausibleError if it is surely wrong."""
    at = node.clock.now()
    if at < RELEASED:
        raise ClockImplausibleError(clock=at.isoformat(), reference=RELEASED.isoformat())
    with node.register.write() as session:
        events.append(
            session,
            EventKind.CLOCK_CONFIRMED,
            node.actor,
            at,
            attempt=str(ULID()),
            subject=node.station_id,
            facts={"clock": at},
        )
