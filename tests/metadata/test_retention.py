from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import CategoryUnknownError
from config.retention import load_schedule
from metadata.retention import LegalDate, base_time, legal_date, lock_date

SCHEDULE = load_schedule(None)
PREVIOUS = datetime(2026, 11, 10, tzinfo=UTC)
DOCKED = datetime(2026, 11, 20, tzinfo=UTC)
BETWEEN = datetime(2026, 11, 15, 6, 30, tzinfo=UTC)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("recorded", "previous", "expected"),
    [
        (BETWEEN, PREVIOUS, BETWEEN),
        (datetime(1970, 1, 1, tzinfo=UTC), PREVIOUS, PREVIOUS),
        (datetime(2120, 1, 1, tzinfo=UTC), PREVIOUS, DOCKED),
        (None, PREVIOUS, DOCKED),
        (BETWEEN, None, DOCKED),
        (datetime(1970, 1, 1, tzinfo=UTC), None, DOCKED),
        (BETWEEN, DOCKED + timedelta(days=9), DOCKED),  # the clock went back between two dockings
    ],
)
def test_base(recorded: datetime | None, previous: datetime | None, expected: datetime) -> None:
    assert base_time(recorded, previous, DOCKED) == expected


@settings(database=None)
@given(recorded=st.none() | TIMES, previous=st.none() | TIMES, docked=TIMES)
def test_base_is_never_outside_the_two_dockings(
    recorded: datetime | None, previous: datetime | None, docked: datetime
) -> None:
    base = base_time(recorded, previous, docked)
    assert base <= docked
    assert base >= min(docked, previous or docked)


def legal(*categories: str, in_case: bool = False) -> LegalDate:
    return legal_date(SCHEDULE, BETWEEN, categories=categories, in_case=in_case)


def test_the_floor_without_anything_else() -> None:
    assert legal() == LegalDate(datetime(2027, 5, 15, 6, 30, tzinfo=UTC), permanent=False)


def test_the_longest_term_wins() -> None:
    assert legal("routine") == legal()
    assert legal("routine", "complaint", "inspection").until == datetime(2029, 11, 15, 6, 30, tzinfo=UTC)
    assert legal("archive-10", "complaint").until == datetime(2036, 11, 15, 6, 30, tzinfo=UTC)


def test_permanent_beats_every_number() -> None:
    forever = LegalDate(None, permanent=True)
    assert legal("archive-30", "case-evidence") == forever
    assert legal(in_case=True) == forever
    assert legal("routine", in_case=True) == forever


def test_an_unknown_category_is_never_the_floor() -> None:
    with pytest.raises(CategoryUnknownError) as raised:
        legal("complaintt")
    assert raised.value.facts["nearest"] == "complaint"


def test_months_are_those_of_the_station() -> None:
    # Half past midnight on 1 March in Shanghai is 28 February in UTC.
    base = datetime(2027, 2, 28, 16, 30, tzinfo=UTC)
    found = legal_date(SCHEDULE, base, categories=(), in_case=False, zone=ZoneInfo("Asia/Shanghai"))
    assert found.until == datetime(2027, 8, 31, 16, 30, tzinfo=UTC)


@settings(database=None)
@given(names=st.lists(st.sampled_from(sorted(SCHEDULE.categories)), max_size=5), in_case=st.booleans())
def test_more_reasons_never_shorten(names: list[str], in_case: bool) -> None:
    end = datetime.max.replace(tzinfo=UTC)
    fewer = legal(*names[1:]).until or end
    more = legal(*names, in_case=in_case).until or end
    assert more >= fewer >= (legal().until or end)


def test_a_lock_goes_no_further_than_the_cap() -> None:
    cap = datetime(2027, 12, 20, tzinfo=UTC)
    assert lock_date(LegalDate(None, permanent=True), DOCKED, 13) == cap
    assert lock_date(LegalDate(DOCKED + timedelta(days=10_000), permanent=False), DOCKED, 13) == cap
    near = DOCKED + timedelta(days=100)
    assert lock_date(LegalDate(near, permanent=False), DOCKED, 13) == near


def test_what_is_stored_for_the_first_time_is_locked_for_the_floor_at_least() -> None:
    """A recorder's clock that runs years behind puts the legal date into the past."""
    floor = SCHEDULE.floor
    least = datetime(2027, 5, 20, tzinfo=UTC)
    past = LegalDate(datetime(2020, 1, 1, tzinfo=UTC), permanent=False)
    assert lock_date(past, DOCKED, 13, floor=floor) == least
    assert lock_date(past, DOCKED, 3, floor=floor) == datetime(2027, 2, 20, tzinfo=UTC)
    later = datetime(2027, 9, 1, tzinfo=UTC)
    assert lock_date(LegalDate(later, permanent=False), DOCKED, 13, floor=floor) == later
    assert lock_date(LegalDate(None, permanent=True), DOCKED, 13, floor=floor) == datetime(
        2027, 12, 20, tzinfo=UTC
    )
