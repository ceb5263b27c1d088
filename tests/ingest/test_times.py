from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.pattern import Kind, NameFacts
from ingest.times import RecordedTime, recorded_time

SHANGHAI = "Asia/Shanghai"
NEW_YORK = "America/New_York"
MINUTE = timedelta(minutes=1)
CREATED = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
MTIME_NS = 1_795_000_000_123_456_789
WRITTEN = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=MTIME_NS // 1000)
UNKNOWN = RecordedTime(None, None, "unknown", None)


def named(start: datetime | None) -> NameFacts:
    return NameFacts(Kind.VIDEO, start=start)


LOCAL = datetime(2026, 11, 20, 9, 0)  # noqa: DTZ001 - a recorder names no zone


def test_the_name_comes_first() -> None:
    found = recorded_time(named(LOCAL), CREATED, MINUTE, MTIME_NS, SHANGHAI)
    start = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
    assert found == RecordedTime(start, start + MINUTE, "file-name", SHANGHAI)


@pytest.mark.parametrize("facts", [None, named(None)])
def test_then_the_container(facts: NameFacts | None) -> None:
    assert recorded_time(facts, CREATED, MINUTE, MTIME_NS, SHANGHAI) == RecordedTime(
        CREATED, CREATED + MINUTE, "container", None
    )
    assert recorded_time(facts, CREATED, None, MTIME_NS, SHANGHAI) == RecordedTime(
        CREATED, None, "container", None
    )


@pytest.mark.parametrize("year", [1904, 1970])
def test_a_containers_zero_is_no_time(year: int) -> None:
    zero = datetime(year, 1, 1, tzinfo=UTC)
    found = recorded_time(None, zero, MINUTE, MTIME_NS, SHANGHAI)
    assert found == RecordedTime(WRITTEN - MINUTE, WRITTEN, "file-system", None)
    assert recorded_time(None, zero, MINUTE, 0, SHANGHAI) == UNKNOWN


def test_then_the_file_system_to_the_microsecond() -> None:
    assert recorded_time(None, None, MINUTE, MTIME_NS, SHANGHAI) == RecordedTime(
        WRITTEN - MINUTE, WRITTEN, "file-system", None
    )
    assert recorded_time(None, None, None, MTIME_NS, SHANGHAI) == RecordedTime(
        WRITTEN, WRITTEN, "file-system", None
    )


def test_a_wrong_clock_is_written_down_as_it_says() -> None:
    wild = datetime(2120, 5, 1, tzinfo=UTC)
    assert recorded_time(None, wild, None, 0, SHANGHAI).start == wild
    at = int(wild.timestamp()) * 10**9
    assert recorded_time(None, None, None, at, SHANGHAI) == RecordedTime(wild, wild, "file-system", None)


@pytest.mark.parametrize("mtime_ns", [2**63 - 1, -(2**63), 2**80, -(2**80), 2**127, -(2**127)])
def test_absurd_file_times(mtime_ns: int) -> None:
    found = recorded_time(None, None, MINUTE, mtime_ns, SHANGHAI)
    if abs(mtime_ns) > 2**63:
        assert found == UNKNOWN
    else:
        assert found.source == "file-system"


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        (datetime(1, 1, 1), SHANGHAI),  # noqa: DTZ001
        (datetime(9999, 12, 31, 23, 59, 59), NEW_YORK),  # noqa: DTZ001
    ],
)
def test_a_name_beyond_the_calendar_says_nothing(local: datetime, zone: str) -> None:
    assert recorded_time(named(local), CREATED, None, 0, zone).source == "container"
    assert recorded_time(named(local), None, None, 0, zone) == UNKNOWN


def test_an_end_beyond_the_calendar_is_unknown() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert recorded_time(None, last, 10 * MINUTE, 0, SHANGHAI) == RecordedTime(last, None, "container", None)


def test_an_hour_that_comes_twice_or_never_has_an_answer() -> None:
    for local in (datetime(2026, 11, 1, 1, 30), datetime(2026, 3, 8, 2, 30)):  # noqa: DTZ001
        found = recorded_time(named(local), None, None, 0, NEW_YORK)
        assert found.start is not None
        assert found.time_zone == NEW_YORK


@settings(database=None, max_examples=150, deadline=None)
@given(
    start=st.none() | st.datetimes(),
    created=st.none() | st.datetimes(timezones=st.just(UTC)),
    duration=st.none() | st.timedeltas(timedelta(), timedelta(days=3653)),
    mtime_ns=st.integers(-(2**90), 2**90),
    zone=st.sampled_from([SHANGHAI, NEW_YORK, "UTC", "Pacific/Kiritimati"]),
)
def test_nothing_that_a_card_says_raises(
    start: datetime | None,
    created: datetime | None,
    duration: timedelta | None,
    mtime_ns: int,
    zone: str,
) -> None:
    found = recorded_time(named(start), created, duration, mtime_ns, zone)
    assert (found.source == "unknown") == (found.start is None and found.end is None)
    if found.start is not None and found.end is not None:
        assert found.start <= found.end
        assert found.start.tzinfo is UTC
