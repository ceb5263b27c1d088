"""Legal dates and lock dates. Pure: rows in, dates out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from config.retention import Schedule, Term


@dataclass(frozen=True, slots=True)
class LegalDate:
    """Until when a clip must be kept at least. ``permanent`` has no date."""

    until: datetime | None
    permanent: bool


def base_time(recorded: datetime | None, previous: datetime | None, docked: datetime) -> datetime:
    """Return the time that retention counts from.

    The recorded time is a claim of the recorder's clock, so it is clamped to the span in which the
    clip must have been made: from the recorder's previous docking to this one. Without a previous
    docking, or a recorded time, it is the docking (design, section 5).
    """
    if recorded is None or previous is None:
        return docked
    return min(max(recorded, previous), docked)


def legal_date(
    schedule: Schedule, base: datetime, *, categories: Iterable[str], in_case: bool, zone: tzinfo = UTC
) -> LegalDate:
    """Return the longest of the floor, the case term and every category's term, from ``base``.

    Months are counted on the calendar of ``zone``: counted in UTC a term could end days too early.
    """
    terms = [schedule.floor, *(schedule.category(name).term for name in categories)]
    if in_case:
        terms.append(schedule.case_term)
    until = schedule.longest(terms).after(base, zone=zone)
    return LegalDate(until=until, permanent=until is None)


def lock_date(
    legal: LegalDate, trusted_now: datetime, cap_months: int, *, floor: Term | None = None
) -> datetime:
    """Return the date to lock until: the legal date, but never further away than the cap.

    A longer term, or a permanent one, is a rolling date that is moved on from time to time. What is stored
    for the first time is locked for the ``floor`` at least, from now: a recorder's clock that runs years
    behind must not leave a clip without a lock.
    """
    cap = Term(months=cap_months).after(trusted_now)
    if cap is None:
        raise ValueError("the cap has a number of months")
    least = None if floor is None else floor.after(trusted_now)
    dates = [date for date in (legal.until, least) if date is not None]
    return cap if legal.until is None else min(max(dates), cap)
