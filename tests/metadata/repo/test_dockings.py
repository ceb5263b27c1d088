from datetime import timedelta

from sqlalchemy.orm import Session

from metadata.models import Sighting
from metadata.repo import dockings
from tests.support.register import AT, DOCKING, RECORDER, add_clip, add_docking

HOUR = timedelta(hours=1)


def see(session: Session, position: int, outcome: str, docking: str = DOCKING, state: str = "found") -> str:
    clip = add_clip(session, f"{position}", state=state)
    session.add(
        Sighting(
            id=f"{docking}/{position}",
            docking_id=docking,
            position=position,
            clip_id=clip.id,
            size=1,
            mtime_ns=0,
            outcome=outcome,
        )
    )
    session.flush()
    return clip.id


def test_heads_are_what_no_later_docking_names(session: Session) -> None:
    add_docking(session, "docking-2")
    add_docking(session, "docking-9", "recorder-2")
    assert [head.id for head in dockings.heads(session, RECORDER)] == [DOCKING, "docking-2"]
    dockings.supersede(session, [DOCKING])
    assert [head.id for head in dockings.heads(session, RECORDER)] == ["docking-2"]
    dockings.supersede(session, [])
    assert [head.id for head in dockings.heads(session, "recorder-2")] == ["docking-9"]


def test_the_docking_before_counts_only_with_a_plausible_clock(session: Session) -> None:
    add_docking(session, "docking-2", started_at=AT + HOUR)
    add_docking(session, "docking-3", started_at=AT.replace(year=2120), clock_plausible=False)
    add_docking(session, "docking-4", "recorder-2", started_at=AT + 2 * HOUR)
    assert dockings.previous_start(session, RECORDER, DOCKING) is None
    assert dockings.previous_start(session, RECORDER, "docking-2") == AT
    assert dockings.previous_start(session, RECORDER, "docking-9") == AT + HOUR
    assert dockings.previous_start(session, "recorder-2", "docking-4") is None


def test_sightings_in_order_and_what_is_to_read(session: Session) -> None:
    ids = [
        see(session, 2, "read"),
        see(session, 0, "to-read", state="confirmed"),
        see(session, 1, "not-read-again"),
    ]
    found = dockings.sightings(session, DOCKING)
    assert [(seen.position, clip.id) for seen, clip in found] == [(0, ids[1]), (1, ids[2]), (2, ids[0])]
    assert dockings.to_read(session, DOCKING) == [2]
    assert dockings.sighting(session, DOCKING, 2)[1].id == ids[0]
    assert dockings.state_counts(session, DOCKING) == {"found": 2, "confirmed": 1}


def test_what_is_left_to_read_after_a_restart(session: Session) -> None:
    see(session, 0, "to-reread", state="confirmed")
    see(session, 1, "read", state="sealed")
    see(session, 2, "read", state="waiting")
    for position, state in enumerate(("confirmed", "released", "quarantined", "missing_at_unplug"), 3):
        see(session, position, "to-read", state=state)
    see(session, 7, "reread-same", state="released")
    see(session, 8, "not-safe")
    assert dockings.to_read(session, DOCKING) == [0, 1, 2]


def test_unclosed(session: Session) -> None:
    add_docking(session, "docking-2", close=b"{}")
    assert dockings.unclosed(session) == [DOCKING]
