from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadata.linking import Window, candidates

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BUFFER = timedelta(minutes=5)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def window(case: str, start: int, end: int, officer: str = "o") -> Window:
    return Window(case, officer, at(start), at(end))


@pytest.mark.parametrize(
    ("minute", "expected"),
    [(-6, ()), (-5, ("a",)), (0, ("a",)), (30, ("a",)), (60, ("a",)), (65, ("a",)), (66, ())],
)
def test_edges_are_inclusive(minute: int, expected: tuple[str, ...]) -> None:
    assert candidates("o", at(minute), [window("a", 0, 60)], BUFFER) == expected


def test_the_buffer_does_not_blur_visits_that_follow_each_other() -> None:
    visits = [window("a", 0, 30), window("b", 33, 60)]
    assert candidates("o", at(29), visits, BUFFER) == ("a",)
    assert candidates("o", at(34), visits, BUFFER) == ("b",)
    assert candidates("o", at(31), visits, BUFFER) == ("a", "b")


def test_overlapping_windows_are_a_question() -> None:
    assert candidates("o", at(10), [window("b", 0, 60), window("a", 5, 20)], BUFFER) == ("a", "b")


def test_several_windows_of_one_case_are_one_case() -> None:
    assert candidates("o", at(10), [window("a", 0, 60), window("a", 5, 20)], BUFFER) == ("a",)


def test_others_windows_and_unknown_facts_link_nothing() -> None:
    windows = [window("a", 0, 60, officer="someone-else")]
    assert candidates("o", at(10), windows, BUFFER) == ()
    assert candidates(None, at(10), windows, BUFFER) == ()
    assert candidates("someone-else", None, windows, BUFFER) == ()


WINDOWS = st.lists(
    st.builds(
        lambda case, officer, start, length: window(case, start, start + length, officer),
        st.sampled_from("abc"),
        st.sampled_from("op"),
        st.integers(0, 60),
        st.integers(0, 30),
    ),
    max_size=8,
)


@settings(database=None, max_examples=200)
@given(
    windows=WINDOWS, minute=st.integers(-20, 110), officer=st.sampled_from("op"), buffer=st.integers(0, 10)
)
def test_against_counting_minutes(windows: list[Window], minute: int, officer: str, buffer: int) -> None:
    def covering(slack: int) -> set[str]:
        found = set()
        for one in windows:
            first = round((one.start - NOON) / timedelta(minutes=1)) - slack
            last = round((one.end - NOON) / timedelta(minutes=1)) + slack
            if one.officer_id == officer and minute in range(first, last + 1):
                found.add(one.case_id)
        return found

    found = candidates(officer, at(minute), windows, timedelta(minutes=buffer))
    assert found == tuple(sorted(covering(0) or covering(buffer)))
