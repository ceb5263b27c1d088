from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config.errors import AlreadyLinkedError, CaseExistsError, CaseNotFoundError, CaseNumberInvalidError
from metadata.linking import Window
from metadata.models import Case, Link
from metadata.repo import cases
from tests.support.register import ACTOR, AT, add_clip, add_officer

BY = ACTOR.to_json()
HOUR = timedelta(hours=1)
NUMBER = "罚字〔2026〕第25号"


@pytest.fixture
def case(session: Session) -> Case:
    return cases.add(session, NUMBER, "title", BY, AT)


@pytest.fixture
def other(session: Session) -> Case:
    return cases.add(session, "罚字〔2026〕第26号", None, BY, AT)


def test_a_case_is_found_in_every_spelling(session: Session, case: Case) -> None:
    for written in (NUMBER, "罚字(2026) 第25号", "罚字［２０２６］第２５号"):
        assert cases.get(session, written) is case
        with pytest.raises(CaseExistsError) as raised:
            cases.add(session, written, None, BY, AT)
        assert raised.value.facts == {"number": NUMBER}


def test_what_was_typed_is_kept(session: Session) -> None:
    row = cases.add(session, "罚字(2026) 第9号", None, BY, AT)
    assert (row.number, row.number_as_written) == ("罚字〔2026〕第9号", "罚字(2026) 第9号")


def test_a_case_that_is_not_there(session: Session, case: Case) -> None:
    assert case.title == "title"
    with pytest.raises(CaseNotFoundError):
        cases.get(session, "罚字〔2026〕第2号")
    with pytest.raises(CaseNotFoundError):
        cases.get(session, "%")
    with pytest.raises(CaseNumberInvalidError):
        cases.get(session, " ")


def test_windows(session: Session, case: Case, other: Case) -> None:
    first, second = add_officer(session, "o-1"), add_officer(session, "o-2")
    assert cases.add_window(session, case.id, first, AT + HOUR, AT + 2 * HOUR) is not None
    assert cases.add_window(session, case.id, first, AT, AT + HOUR) is not None
    assert cases.add_window(session, case.id, first, AT, AT + HOUR) is None
    assert cases.add_window(session, other.id, second, AT, AT + HOUR) is not None
    assert set(cases.windows(session, first)) == {
        Window(case.id, first, AT, AT + HOUR),
        Window(case.id, first, AT + HOUR, AT + 2 * HOUR),
    }
    assert [row.starts_at for row in cases.windows_of(session, case.id)] == [AT, AT + HOUR]
    assert cases.windows(session, "nobody") == []


def test_linking_twice_and_moving(session: Session, case: Case, other: Case) -> None:
    clip = add_clip(session).id
    row, left = cases.link(session, clip, case, "auto", BY, AT)
    assert row is not None
    assert left is None
    assert cases.link(session, clip, case, "manual", BY, AT) == (None, None)
    with pytest.raises(AlreadyLinkedError) as raised:
        cases.link(session, clip, other, "manual", BY, AT)
    assert raised.value.facts == {"clip": clip, "case": NUMBER}
    moved, left = cases.link(session, clip, other, "manual", BY, AT + HOUR, move=True)
    assert (moved is not None, left) == (True, case)
    assert cases.current_link(session, clip) == (moved, other)
    history = session.scalars(select(Link).where(Link.clip_id == clip).order_by(Link.at)).all()
    assert [(one.case_id, one.ended_at) for one in history] == [(case.id, AT + HOUR), (other.id, None)]
    assert {one.number: count for one, count in cases.all_cases(session)} == {
        NUMBER: 0,
        other.number: 1,
    }


def test_the_database_holds_one_current_link(session: Session, case: Case, other: Case) -> None:
    clip = add_clip(session).id
    cases.link(session, clip, case, "auto", BY, AT)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(Link(id="second", clip_id=clip, case_id=other.id, method="auto", actor=BY, at=AT))
        session.flush()


def test_the_work_list(session: Session, case: Case, other: Case) -> None:
    clip = add_clip(session).id
    assert cases.note_candidates(session, clip, [other.id, case.id], AT)
    assert not cases.note_candidates(session, clip, [case.id, other.id], AT)
    assert cases.candidates(session, clip) == [NUMBER, other.number]
    assert cases.note_candidates(session, clip, [case.id], AT)
    assert cases.candidates(session, clip) == [NUMBER]
    cases.link(session, clip, other, "manual", BY, AT)
    assert cases.candidates(session, clip) == []
