from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from metadata.models import StoredKind, StoredVersion
from metadata.repo import integrity
from metadata.repo.figures import ShortestLock, figures
from tests.support.register import AT, add_clip, add_docking, add_object

DAY = timedelta(days=1)
CAP = AT + 400 * DAY
ONE, TWO, THREE = "a1" * 32, "b2" * 32, "c3" * 32


def version(session: Session, sha256: str, name: str = "v", **facts: Any) -> StoredVersion:
    row = StoredVersion(
        **{
            "id": f"{sha256[:2]}-{name}",
            "vault": "main",
            "key": f"clips/{sha256}",
            "version": name,
            "kind": StoredKind.ORIGINAL.value,
            "sha256": add_object(session, sha256),
            "size": 1,
            "lock_mode": "advisory",
            "lock_until": AT + 100 * DAY,
            "created_at": AT,
        }
        | facts
    )
    session.add(row)
    session.flush()
    return row


def test_an_empty_register(session: Session) -> None:
    found = figures(session, cap=CAP)
    assert (found.clips, found.oldest, found.reasons, found.alerts) == ({}, {}, {}, {})
    assert (found.unverified, found.lock, found.dockings) == (None, None, 1)


def test_clips_by_state_age_and_reason(session: Session) -> None:
    add_clip(session, "1", state="waiting", reason="spool-full", created_at=AT - 2 * DAY)
    add_clip(session, "2", state="waiting", reason="spool-full", created_at=AT - DAY)
    add_clip(session, "3", state="found", created_at=AT)
    add_clip(session, "4", state="released", created_at=AT - 9 * DAY)
    add_docking(session, "docking-2", close=b"x")
    found = figures(session, cap=CAP)
    assert found.clips == {"waiting": 2, "found": 1, "released": 1}
    assert found.oldest == {"waiting": AT - 2 * DAY, "found": AT}
    assert found.reasons == {("waiting", "spool-full"): 2}
    assert found.dockings == 1


def test_alerts_that_have_ended_are_not_open(session: Session) -> None:
    for kind in ("spool-high", "integrity"):
        integrity.raise_alert(session, kind, AT, facts={})
    assert integrity.is_open(session, "spool-high")
    assert figures(session, cap=CAP).standing == {"spool-high", "integrity"}
    integrity.end_alerts(session, "spool-high", AT + DAY)
    assert not integrity.is_open(session, "spool-high")
    assert figures(session, cap=CAP).alerts == {"integrity": 1}
    assert [row.kind for row, _ in integrity.alerts_with_answers(session, 9, every=False)] == ["integrity"]


def test_the_version_that_was_read_longest_ago(session: Session) -> None:
    version(session, ONE, created_at=AT - 9 * DAY, verified_at=AT - DAY)
    version(session, TWO, created_at=AT - 3 * DAY)
    assert figures(session, cap=CAP).unverified == AT - 3 * DAY
    version(session, THREE, created_at=AT - 30 * DAY, verified_at=AT - 20 * DAY)
    assert figures(session, cap=CAP).unverified == AT - 20 * DAY
    # One that was replaced is not read any more; a document is no original.
    version(session, THREE, "w", created_at=AT)
    version(session, ONE, "doc", key="seals/x", kind=StoredKind.SEAL.value, created_at=AT - 99 * DAY)
    assert figures(session, cap=CAP).unverified == AT - 3 * DAY


def test_the_shortest_lock_that_should_reach_further(session: Session) -> None:
    version(session, ONE, lock_until=AT + 50 * DAY)
    version(session, TWO, lock_until=AT + 60 * DAY)
    version(session, THREE, lock_until=AT + 70 * DAY)
    add_clip(session, "1", state="released", sha256=ONE, retain_until=AT + 50 * DAY)
    add_clip(session, "2", state="found", sha256=ONE, permanent=True)  # not stored for it yet
    assert figures(session, cap=CAP).lock is None
    add_clip(session, "3", state="released", sha256=THREE, permanent=True)
    assert figures(session, cap=CAP).lock == ShortestLock(AT + 70 * DAY, None, permanent=True)
    add_clip(session, "4", state="confirmed", sha256=TWO, retain_until=AT + 61 * DAY)
    expected = ShortestLock(AT + 60 * DAY, AT + 61 * DAY, permanent=False)
    assert figures(session, cap=CAP).lock == expected
    assert figures(session, cap=AT + 60 * DAY).lock is None  # nothing has to reach beyond the cap
    version(session, TWO, "w", lock_mode="none", lock_until=None)
    assert figures(session, cap=CAP).lock == ShortestLock(None, AT + 61 * DAY, permanent=False)
