"""One spelling of times for programs: RFC 3339 in UTC with a Z, in everything that leaves this one."""

from datetime import UTC, datetime


def spelled(at: datetime) -> str:
    """Return an aware time as RFC 3339 text in UTC, ``2026-03-01T01:30:00Z``; ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError(f"a time needs a zone: {at.isoformat()}")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
