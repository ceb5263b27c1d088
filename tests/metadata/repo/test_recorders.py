from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from config.errors import AssignmentOverlapError, RecorderNotFoundError
from metadata.repo import recorders
from tests.support.register import AT, RECORDER, add_officer

HOUR = timedelta(hours=1)


def test_the_first_time_adds_and_later_ones_find(session: Session) -> None:
    later = AT + HOUR
    first = recorders.ensure_recorder(session, "serial:A", "A", "plain", AT)
    assert first.claimed
    assert recorders.ensure_recorder(session, "serial:A", "A", "dcf", later) is first
    assert first.first_seen == AT
    assert recorders.add_station(session, "s", "Name", AT)
    assert not recorders.add_station(session, "s", "", later)
    assert recorders.ensure_officer(session, "o", AT) is recorders.ensure_officer(session, "o", later)
    assert [row.id for row in recorders.all_recorders(session)] == [RECORDER, first.id]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(-1, None), (0, "one"), (1, "one"), (2, "two"), (3, "two"), (10_000, "two")],
)
def test_who_carried_a_recorder(session: Session, hours: int, expected: str | None) -> None:
    one, two = add_officer(session, "one"), add_officer(session, "two")
    recorders.assign(session, RECORDER, one, AT, AT + 2 * HOUR)
    recorders.assign(session, RECORDER, two, AT + 2 * HOUR, None)
    assert recorders.carrier(session, RECORDER, AT + hours * HOUR) == expected
    assert recorders.carrier(session, "another", AT) is None


def test_an_open_assignment_ends_with_the_next(session: Session) -> None:
    one, two = add_officer(session, "one"), add_officer(session, "two")
    recorders.assign(session, RECORDER, one, AT, None)
    recorders.assign(session, RECORDER, two, AT + 2 * HOUR, None)
    found = [(row.officer_id, row.starts_at, row.ends_at) for row in recorders.assignments(session, RECORDER)]
    assert found == [(one, AT, AT + 2 * HOUR), (two, AT + 2 * HOUR, None)]


@pytest.mark.parametrize(
    ("start", "end", "fits"),
    [
        (0, 1, True), (0, 2, False), (1, 3, True), (2, 3, False), (1, 2, False), (0, 9, False), (3, 4, True),
        (4, None, True), (2, None, False), (0, None, False), (9, 10, True),
    ],
)  # fmt: skip
def test_assignments_do_not_overlap(session: Session, start: int, end: int | None, fits: bool) -> None:
    one, two = add_officer(session, "one"), add_officer(session, "two")
    recorders.assign(session, RECORDER, one, AT + HOUR, AT + 3 * HOUR)
    wanted = (AT + start * HOUR, None if end is None else AT + end * HOUR)
    if (start, end) == (1, 3):
        wanted = (AT + 3 * HOUR, AT + 4 * HOUR)  # begins just when the other ends
    if fits:
        recorders.assign(session, RECORDER, two, *wanted)
        return
    with pytest.raises(AssignmentOverlapError) as caught:
        recorders.assign(session, RECORDER, two, *wanted)
    assert caught.value.facts["officer"] == "one"
    assert len(recorders.assignments(session, RECORDER)) == 1


def test_what_a_recorder_is_called(session: Session) -> None:
    first = recorders.ensure_recorder(session, "serial:ABC1234", "ABC1234", "plain", AT)
    for named in (first.id, "serial:ABC1234", "ABC1234"):
        assert recorders.get(session, named) is first
    for named in ("ABC", "serial:", ""):
        with pytest.raises(RecorderNotFoundError):
            recorders.get(session, named)
