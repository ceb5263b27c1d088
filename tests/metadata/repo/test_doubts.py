"""What stands against a clip, and which checks may end it."""

import pytest
from sqlalchemy.orm import Session
from ulid import ULID

from metadata import events
from metadata.events import EventKind
from metadata.models import IntegrityResult, IntegrityRun
from metadata.repo import doubts
from tests.support.register import ACTOR, AT, add_clip


def failed(session: Session, clip: str, problem: str) -> None:
    facts = {"run": "r", "problem": problem}
    kind = EventKind.INTEGRITY_FAILED
    events.append(session, kind, ACTOR, AT, attempt=str(ULID()), clip=clip, facts=facts)


def restored(session: Session, clip: str, problem: str) -> None:
    facts = {"problem": problem}
    events.append(session, EventKind.RESTORED, ACTOR, AT, attempt=str(ULID()), clip=clip, facts=facts)


def passed(session: Session, clip: str, level: str, *, ended: bool = True) -> None:
    run = str(ULID())
    session.add(IntegrityRun(id=run, level=level, actor=ACTOR.to_json(), started_at=AT, checked=1, failed=0))
    session.flush()
    session.add(IntegrityResult(id=str(ULID()), run_id=run, clip_id=clip, problem=None, bytes_read=0, at=AT))
    if ended:
        events.append(session, EventKind.INTEGRITY_RUN, ACTOR, AT, attempt=run, subject=run)


@pytest.mark.parametrize(
    ("problem", "weakest"),
    [
        ("digest", "full"),
        ("second: digest", "full"),
        ("unreadable: Input/output error", "full"),
        ("manifest: digest", "sample"),
        ("second: seal: digest", "sample"),
        ("seal: unreadable: Input/output error", "sample"),
        ("seal-untrusted", "sample"),
        ("timestamp", "sample"),
        ("missing", "lock"),
        ("seal: missing", "lock"),
        ("second: lock-shortened", "lock"),
    ],
)
def test_what_ends_a_problem(session: Session, problem: str, weakest: str) -> None:
    assert doubts.weakest(problem) == weakest
    clip = add_clip(session).id
    failed(session, clip, problem)
    ending = False
    for level in ("lock", "sample", "full"):
        passed(session, clip, level)
        ending = ending or level == weakest
        assert doubts.standing(session, [clip]) == ({} if ending else {clip: problem})
    failed(session, clip, problem)
    assert doubts.standing(session, [clip]) == {clip: problem}


def test_a_run_that_was_killed_proves_nothing(session: Session) -> None:
    clip = add_clip(session).id
    failed(session, clip, "digest")
    passed(session, clip, "full", ended=False)
    assert doubts.standing(session, [clip]) == {clip: "digest"}


def test_what_was_put_right_counts_for_its_vault(session: Session) -> None:
    clip, other = add_clip(session, "a").id, add_clip(session, "b").id
    failed(session, clip, "second: digest")
    failed(session, clip, "digest")
    failed(session, other, "digest")
    restored(session, clip, "missing")
    assert doubts.standing(session, [clip, other]) == {clip: "second: digest", other: "digest"}
    restored(session, clip, "second: missing")
    assert doubts.standing(session, [clip, other]) == {other: "digest"}


def test_what_is_wrong_with_bytes_is_told_first(session: Session) -> None:
    clip = add_clip(session).id
    failed(session, clip, "digest")
    failed(session, clip, "lock-missing")
    assert doubts.standing(session, [clip]) == {clip: "digest"}
