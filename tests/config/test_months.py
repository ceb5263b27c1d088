from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.months import add_months

SHANGHAI = ZoneInfo("Asia/Shanghai")


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("base", "months", "end"),
    [
        ("2026-01-31T10:00:00", 1, "2026-02-28T10:00:00"),
        ("2028-01-31T10:00:00", 1, "2028-02-29T10:00:00"),
        ("2026-08-31T10:00:00", 6, "2027-02-28T10:00:00"),
        ("2027-08-31T10:00:00", 6, "2028-02-29T10:00:00"),
        ("2028-02-29T00:00:00", 12, "2029-02-28T00:00:00"),
        ("2028-02-29T00:00:00", 48, "2032-02-29T00:00:00"),
        ("2096-02-29T00:00:00", 48, "2100-02-28T00:00:00"),  # 2100 is no leap year
        ("2026-03-31T23:59:59", 1, "2026-04-30T23:59:59"),
        ("2026-12-31T00:00:00", 1, "2027-01-31T00:00:00"),
        ("2026-11-30T00:00:00", 13, "2027-12-30T00:00:00"),
        ("2026-05-05T05:05:05.000005", 0, "2026-05-05T05:05:05.000005"),
    ],
)
def test_calendar_months(base: str, months: int, end: str) -> None:
    assert add_months(day(base), months) == day(end)


def test_other_zones_become_utc_first() -> None:
    base = datetime(2026, 3, 1, 4, tzinfo=timezone(timedelta(hours=8)))  # 28 February, 20:00 UTC
    end = add_months(base, 6)
    assert end == day("2026-08-28T20:00:00")
    assert end.tzinfo is UTC


def test_months_by_the_calendar_of_a_zone() -> None:
    assert add_months(day("2026-02-28T20:00:00"), 6, zone=SHANGHAI) == day("2026-08-31T20:00:00")


def test_naive_and_endless_times_are_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        add_months(datetime(2026, 1, 1), 1)  # noqa: DTZ001 - naive on purpose
    with pytest.raises(ValueError, match="year 10000"):
        add_months(day("9999-12-01T00:00:00"), 1)
    with pytest.raises(ValueError, match="beyond"):
        add_months(day("9999-11-01T11:00:00"), 2, zone=timezone(timedelta(hours=-12)))


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 1200),
)
def test_a_longer_term_never_ends_earlier(base: datetime, months: int) -> None:
    end = add_months(base, months)
    assert (end.year - base.year) * 12 + end.month - base.month == months
    assert end.time() == base.time()
    assert end.day == base.day or (end.day < base.day and (end + timedelta(days=1)).day == 1)
    assert add_months(base, months + 1) > end
