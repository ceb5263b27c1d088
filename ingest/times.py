"""When a clip was recorded, as far as anything says so; every time carries its source."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from config.profiles import NameFacts

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCHS = {datetime(1904, 1, 1, tzinfo=UTC), _UNIX_EPOCH}
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
    without a duration it stands for both. A time beyond the calendar says nothing, and never raises:
    names and file systems may hold any digits.
    """
    named = None if facts is None or facts.start is None else _in_utc(facts.start, time_zone)
    if named is not None:
        return RecordedTime(named, _plus(named, duration), "file-name", time_zone)
    if created is not None and created not in _EPOCHS:
        return RecordedTime(created, _plus(created, duration), "container", None)
    written = _from_unix(mtime_ns)
    if written is None or written in _EPOCHS:
        return RecordedTime(None, None, "unknown", None)
    return RecordedTime(_plus(written, -(duration or timedelta())), written, "file-system", None)


def _in_utc(local: datetime, time_zone: str) -> datetime | None:
    try:
        return local.replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
    except OverflowError:  # the first and last hours of the calendar
        return None


def _from_unix(nanoseconds: int) -> datetime | None:
    try:
        return _UNIX_EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


def _plus(start: datetime, duration: timedelta | None) -> datetime | None:
    try:
        return None if duration is None else start + duration
    except OverflowError:
        return None
