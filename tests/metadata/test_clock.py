from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from metadata import events
from metadata.clock import FURTHEST, IDLE, RELEASED, ClockReading, StationClock, kernel_synchronised, now_utc
from metadata.events import EventKind
from metadata.models import Station
from metadata.repo import dockings
from metadata.retention import LegalDate, lock_date
from tests.support.register import ACTOR, AT, STATION, add_docking

VOUCHED = datetime(2027, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FOREVER = LegalDate(None, permanent=True)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def read(
    at: datetime, vouched: datetime | None = VOUCHED, *, synchronised: bool | None = False
) -> ClockReading:
    return StationClock(lambda: at, lambda: synchronised).read(vouched)


@pytest.mark.parametrize(
    ("at", "plausible"),
    [
        (VOUCHED, True),
        (VOUCHED + 100 * DAY, True),
        (VOUCHED + IDLE, True),
        (VOUCHED + IDLE + DAY, False),
        (VOUCHED - timedelta(hours=23), True),
        (VOUCHED - 2 * DAY, False),
        (datetime(1970, 1, 1, tzinfo=UTC), False),
        (datetime(2120, 1, 1, tzinfo=UTC), False),
    ],
)
def test_a_clock_that_nothing_disciplines(at: datetime, plausible: bool) -> None:
    found = read(at)
    assert (found.plausible, found.at) == (plausible, at)
    assert VOUCHED - DAY <= found.trusted <= VOUCHED + IDLE
    if plausible:
        assert found.trusted == at


@pytest.mark.parametrize("synchronised", [False, None])
def test_a_long_rest_needs_a_synchronised_clock(synchronised: bool | None) -> None:
    late = VOUCHED + 3 * IDLE
    assert not read(late, synchronised=synchronised).plausible
    assert read(late, synchronised=True) == ClockReading(late, True, True, late)  # noqa: FBT003 - fields


def test_synchronised_does_not_excuse_a_jump_back() -> None:
    found = read(VOUCHED - 2 * DAY, synchronised=True)
    assert not found.plausible
    assert found.trusted == VOUCHED


def test_a_register_that_knows_nothing_yet() -> None:
    assert read(RELEASED + DAY, None).plausible
    assert not read(datetime(1970, 1, 1, tzinfo=UTC), None).plausible
    assert read(datetime(1970, 1, 1, tzinfo=UTC), None).trusted == RELEASED
    assert read(datetime(2120, 1, 1, tzinfo=UTC), None).trusted == RELEASED + IDLE


@settings(database=None, max_examples=300)
@given(at=TIMES, vouched=st.none() | TIMES, synchronised=st.sampled_from([True, False, None]))
def test_no_clock_locks_for_a_century(
    at: datetime,
    vouched: datetime | None,
    synchronised: bool | None,
) -> None:
    known = max(RELEASED, vouched or RELEASED)
    until = lock_date(FOREVER, read(at, vouched, synchronised=synchronised).trusted, 13)
    assert known <= until <= known + FURTHEST + timedelta(days=400)


def test_facts_for_documents() -> None:
    assert read(AT, None, synchronised=None).to_json() == {
        "at": AT,
        "synchronised": "unknown",
        "plausible": True,
    }
    assert read(AT, None, synchronised=True).to_json()["synchronised"] is True


def test_the_real_clock() -> None:
    assert abs(StationClock().now() - now_utc()) < timedelta(seconds=5)
    assert now_utc().tzinfo is UTC
    assert kernel_synchronised() in {True, False, None}


def test_dockings_vouch_for_a_time_if_their_clock_was_plausible(session: Session) -> None:
    assert dockings.vouched_time(session) == AT
    add_docking(session, "docking-2", started_at=AT + DAY)
    add_docking(session, "docking-3", started_at=AT.replace(year=2120), clock_plausible=False)
    assert dockings.vouched_time(session) == AT + DAY


def test_a_person_vouches_for_a_time(session: Session) -> None:
    later = AT + 1000 * DAY
    events.append(session, EventKind.STORED, ACTOR, later + DAY, attempt="1", subject="s")
    assert dockings.vouched_time(session) == AT
    events.append(session, EventKind.CLOCK_CONFIRMED, ACTOR, later, attempt="1", subject=STATION)
    assert dockings.vouched_time(session) == later


def test_a_station_made_with_a_wild_clock_does_not_vouch_for_it(session: Session) -> None:
    wild = datetime(2120, 1, 1, tzinfo=UTC)
    session.add(Station(id="station-2", name="", created_at=wild))
    session.flush()
    vouched = dockings.vouched_time(session)
    assert not read(wild, vouched).plausible
    assert lock_date(FOREVER, read(wild, vouched).trusted, 13) < RELEASED + 2 * FURTHEST
