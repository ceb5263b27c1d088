"""When a clip was recorded, as far as anything says so; every time carries its source."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from config.profiles import NameFacts

_EPOCHS = {datetime(1904, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)}
"""What an unset field of a container reads as: QuickTime's and Unix's zero."""


@dataclass(frozen=True, slots=True)
class RecordedTime:
    """Start and end in UTC with their source: file-name, container, file-system or unknown."""

    start: datetime | None
    end: datetime | None
    source: str
    time_zone: str | None


def recorded_time(
    facts: NameFacts | None,
    created: datetime | None,
    duration: timedelta | None,
    mtime_ns: int,
    time_zone: str,
) -> RecordedTime:
    """Weigh what is known: the file name, the container, then the file system.

    A file's modification time is when writing ended, so the start is that less the duration;
    without a duration it stands for both.
    """
    if facts is not None and facts.start is not None:
        start = facts.start.replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
        return RecordedTime(start, _plus(start, duration), "file-name", time_zone)
    if created is not None and created not in _EPOCHS:
        return RecordedTime(created, _plus(created, duration), "container", None)
    try:
        written = datetime.fromtimestamp(mtime_ns / 1e9, UTC)
    except (OverflowError, ValueError, OSError):  # a file system may hold any 64 bits
        return RecordedTime(None, None, "unknown", None)
    if written in _EPOCHS:
        return RecordedTime(None, None, "unknown", None)
    return RecordedTime(written - (duration or timedelta()), written, "file-system", None)


def _plus(start: datetime, duration: timedelta | None) -> datetime | None:
    return None if duration is None else start + duration
