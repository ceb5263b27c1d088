from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from metadata import events
from metadata.events import EventKind
from metadata.models import Sighting
from metadata.repo import chains
from tests.support.register import ACTOR, AT, DOCKING, RECORDER, add_clip, add_docking

HOUR = timedelta(hours=1)


def log(session: Session, docking: str, kind: EventKind = EventKind.INVENTORIED, **facts: Any) -> None:
    facts = facts or {"recorder": RECORDER, "inventory": f"sha256:{'ab' * 32}"}
    events.append(session, kind, ACTOR, AT, attempt=docking, subject=docking, facts=facts)


def log_of(session: Session, docking: str, kind: EventKind = EventKind.INVENTORIED, **facts: Any) -> None:
    facts = facts or {"recorder": RECORDER, "inventory": f"sha256:{'ab' * 32}"}
    events.append(session, kind, ACTOR, AT, attempt=docking, docking=docking, facts=facts)


def see(session: Session, position: int, **facts: Any) -> str:
    clip = add_clip(session, f"DCIM/{position}", **facts)
    session.add(
        Sighting(
            id=f"{DOCKING}/{position}",
            docking_id=DOCKING,
            position=position,
            clip_id=clip.id,
            size=1,
            mtime_ns=0,
            outcome="read",
        )
    )
    session.flush()
    return clip.id


def test_dockings_in_the_order_of_the_log_and_not_of_clocks(session: Session) -> None:
    add_docking(session, "docking-0", started_at=AT - HOUR)
    add_docking(session, "docking-2", volume={"identity": "volume:A", "mount_point": True, "uuid": "A"})
    add_docking(session, "docking-3", volume={"identity": "folder:1:2", "mount_point": True, "uuid": None})
    add_docking(session, "docking-9", "recorder-2")
    for docking in (DOCKING, "docking-9", "docking-2", "docking-0"):
        log_of(session, docking)
    found = chains.noted(session, RECORDER)
    assert [one.id for one in found] == [DOCKING, "docking-2", "docking-0", "docking-3"]
    assert [one.at for one in found] == [AT, AT, AT - HOUR, AT]
    assert [(one.card, one.lasting) for one in found[:2]] == [("folder:1:2", True), ("volume:A", True)]
    assert not found[3].lasting


def test_what_the_register_has_of_a_docking(session: Session) -> None:
    add_docking(session, "docking-2")
    first = see(session, 0, state="confirmed", sha256="ab" * 32)
    second = see(session, 1, created_at=AT - HOUR, docking_id="docking-2")
    events.append(session, EventKind.CLEARED, ACTOR, AT, attempt=DOCKING, clip=first, docking=DOCKING)
    events.append(
        session, EventKind.CLEARED, ACTOR, AT, attempt="docking-2", clip=second, docking="docking-2"
    )
    (one,) = [one for one in chains.noted(session, RECORDER) if one.id == DOCKING]
    rows = chains.rows(session, one)
    assert sorted(rows) == [0, 1]
    assert (rows[0].clip, rows[0].path, rows[0].safe, rows[0].sha256) == (first, b"DCIM/0", True, "ab" * 32)
    assert (rows[0].new, rows[0].latest, rows[0].cleared) == (True, True, True)
    assert (rows[1].new, rows[1].latest, rows[1].cleared, rows[1].safe) == (False, False, False, False)


def test_documents(session: Session) -> None:
    found = chains.documents(session, DOCKING)
    assert found == (f"inventory of {DOCKING}".encode(), b"", None, None)


def test_dockings_that_only_the_log_has(session: Session) -> None:
    log_of(session, DOCKING)
    assert chains.lost(session) == {}
    log(session, "docking-7")
    log(session, "docking-8", recorder="recorder-2")
    log(session, "docking-8", EventKind.CLOSED)
    assert chains.lost(session) == {RECORDER: ["docking-7"], "recorder-2": ["docking-8"]}
    assert chains.lost(session, RECORDER) == {RECORDER: ["docking-7"]}


def test_what_the_log_says_of_a_docking(session: Session) -> None:
    assert chains.logged(session, EventKind.INVENTORIED, DOCKING) is None
    log_of(session, DOCKING)
    found = chains.logged(session, EventKind.INVENTORIED, DOCKING)
    assert found is not None
    assert found["recorder"] == RECORDER
    assert chains.logged(session, EventKind.CLOSED, DOCKING) is None


def test_recorders_by_name(session: Session) -> None:
    add_docking(session, "docking-2", "RECORDER%2")
    add_docking(session, "docking-3", "other")

    def named(name: str) -> list[str]:
        return [row.id for row in chains.recorders_named(session, name)]

    assert named("other") == ["other"]
    assert named("serial:other") == ["other"]
    assert named("OTH") == ["other"]
    assert named(RECORDER) == [RECORDER]
    assert sorted(named("recorder")) == sorted(["RECORDER%2", RECORDER])
    assert named("recorder%") == ["RECORDER%2"]
    assert named("%") == named("") == named("x") == []
