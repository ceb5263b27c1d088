"""Arithmetic with calendar months."""

import calendar
from datetime import MAXYEAR, MINYEAR, UTC, datetime, tzinfo


def add_months(base: datetime, months: int, *, zone: tzinfo = UTC) -> datetime:
    """Return the UTC time a number of calendar months after ``base``, by the calendar in ``zone``.

    The time of day stays. A day that the month does not have becomes the month's last day: 31 January and one
    month is 28 or 29 February. Raises ValueError for a naive time and beyond the year 9999.
    """
    if base.tzinfo is None:
        raise ValueError("a time without a zone has no place in a calendar")
    local = base.astimezone(zone)
    years, month = divmod(local.month - 1 + months, 12)
    year, month = local.year + years, month + 1
    if not MINYEAR <= year <= MAXYEAR:
        raise ValueError(f"no calendar has the year {year}")
    day = min(local.day, calendar.monthrange(year, month)[1])
    try:
        return local.replace(year=year, month=month, day=day).astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is beyond the calendar") from None
