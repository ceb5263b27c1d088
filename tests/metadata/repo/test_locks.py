from datetime import timedelta

from sqlalchemy.orm import Session

from metadata.models import Derivative, Sighting, StoredVersion
from metadata.repo import locks
from metadata.retention import LegalDate
from tests.support.register import AT, DOCKING, add_clip

A, B, C = "a" * 64, "b" * 64, "c" * 64
DAY = timedelta(days=1)


def add(session: Session, name: str, days: int | None, vault: str = "main") -> StoredVersion:
    row = StoredVersion(
        id=name,
        vault=vault,
        key=f"k/{name}",
        version="1",
        kind="original",
        sha256=A,
        size=1,
        lock_mode="none" if days is None else "compliance",
        lock_until=None if days is None else AT + days * DAY,
        created_at=AT,
    )
    session.add(row)
    session.flush()
    return row


def test_the_lock_that_ends_first_leads_and_pages_join(session: Session) -> None:
    dates = [3, None, 1, 3, 3, 0, None, 9, 3]
    for number, days in enumerate(dates):
        add(session, f"v{number}", days)
    add(session, "other", 0, vault="second")
    expected = ["v1", "v6", "v5", "v2", "v0", "v3", "v4", "v8"]
    for size in (1, 2, 3, 100):
        found: list[str] = []
        last = None
        while page := locks.ending(session, "main", AT + 5 * DAY, last, size):
            assert len(page) <= size
            found += [row.id for row in page]
            last = page[-1]
        assert found == expected
    assert [row.id for row in locks.ending(session, "main", None, None, 100)] == [*expected, "v7"]


def test_rows_that_are_moved_on_do_not_come_again(session: Session) -> None:
    for number in range(6):
        add(session, f"v{number}", number % 2)
    seen: list[str] = []
    last = None
    while page := locks.ending(session, "main", AT + 5 * DAY, last, 2):
        last = StoredVersion(id=page[-1].id, lock_until=page[-1].lock_until)
        for row in page:
            seen.append(row.id)
            row.lock_until = AT + 9 * DAY
        session.flush()
    assert sorted(seen) == [f"v{number}" for number in range(6)]


def test_the_longest_of_those_who_share_decides(session: Session) -> None:
    one = add_clip(session, sha256=A, manifest_sha256=C, retain_until=AT + DAY)
    two = add_clip(session, sha256=A, manifest_sha256=C, retain_until=AT + 2 * DAY)
    add_clip(session, sha256=A, retain_until=AT + 9 * DAY)  # not sealed yet
    only = add_clip(session, sha256=B, manifest_sha256=C, permanent=True, retain_until=None)
    found = locks.of_objects(session, [A, B, C])
    assert found == {
        A: locks.Keeper(LegalDate(AT + 2 * DAY, permanent=False), None),
        B: locks.Keeper(LegalDate(None, permanent=True), only.id),
    }
    for position, clip in enumerate((one, two)):
        session.add(
            Sighting(
                id=f"seen-{position}", docking_id=DOCKING, position=position, clip_id=clip.id,
                size=1, mtime_ns=0, outcome="read",
            )
        )  # fmt: skip
        session.add(Derivative(clip_id=clip.id, poster_sha256=(B, C)[position], sampled_frames=1, at=AT))
    session.flush()
    assert locks.of_dockings(session, [DOCKING, "none"])[DOCKING].legal.until == AT + 2 * DAY
    posters = locks.of_derived(session, [A, B, C])
    assert {name: (keeper.clip, keeper.legal.until) for name, keeper in posters.items()} == {
        B: (one.id, AT + DAY),
        C: (two.id, AT + 2 * DAY),
    }
