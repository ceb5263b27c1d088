import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from metadata.models import Hold
from metadata.repo import cases, holds
from tests.support.register import ACTOR, AT, add_clip

BY = ACTOR.to_json()
A, B = "a" * 64, "b" * 64


def test_a_hold_on_any_clip_holds_the_object(session: Session) -> None:
    one, two = (add_clip(session, sha256=A) for _ in range(2))
    other = add_clip(session, sha256=B)
    case = cases.add(session, "罚字〔2026〕第25号", None, BY, AT)
    plain = holds.set_hold(session, one, None, "r", BY, AT)
    for_case = holds.set_hold(session, one, case, "r", BY, AT)
    second = holds.set_hold(session, two, case, "r", BY, AT)
    assert None not in (plain, for_case, second)
    assert holds.set_hold(session, one, None, "again", BY, AT) is None
    assert holds.set_hold(session, one, case, "again", BY, AT) is None
    assert holds.held_clips(session, [one.id, two.id, other.id]) == {one.id, two.id}
    assert holds.held_objects(session, "") == [A]
    assert holds.held_objects(session, A) == []
    assert [item.clip for item in holds.standing(session, case)] == [one.id, two.id]
    assert {(item.clip, item.case) for item in holds.standing(session)} == {
        (one.id, None),
        (one.id, case.number),
        (two.id, case.number),
    }
    for row in (plain, for_case):
        row.ended_at = AT
        session.flush()
        assert holds.is_held(session, A)
    assert holds.held_clips(session, [one.id]) == set()
    second.ended_at = AT
    session.flush()
    assert not holds.is_held(session, A)
    assert holds.set_hold(session, one, case, "once more", BY, AT) is not None


@pytest.mark.parametrize("of_case", [False, True])
def test_the_database_takes_one_that_stands(session: Session, of_case: bool) -> None:
    clip = add_clip(session, sha256=A)
    case = cases.add(session, "罚字〔2026〕第25号", None, BY, AT) if of_case else None
    assert holds.set_hold(session, clip, case, "r", BY, AT)
    facts = {"clip_id": clip.id, "case_id": case and case.id, "reason": "r", "actor": BY, "at": AT}
    session.add(Hold(id="another", **facts))
    with pytest.raises(IntegrityError):
        session.flush()
