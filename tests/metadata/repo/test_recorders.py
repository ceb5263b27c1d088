from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

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
    [(-1, None), (0, "one"), (1, "one"), (2, None), (3, "two"), (10_000, "two")],
)
def test_who_carried_a_recorder(session: Session, hours: int, expected: str | None) -> None:
    one, two = add_officer(session, "one"), add_officer(session, "two")
    recorders.assign(session, RECORDER, one, AT, AT + 2 * HOUR)
    recorders.assign(session, RECORDER, one, AT, AT + HOUR)  # twice the same officer is one officer
    recorders.assign(session, RECORDER, two, AT + 2 * HOUR, None)
    assert recorders.carrier(session, RECORDER, AT + hours * HOUR) == expected
    assert recorders.carrier(session, "another", AT) is None
