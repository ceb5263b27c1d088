import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from metadata import events
from metadata.changes import WritingSession
from metadata.events import EventKind
from metadata.models import CustodyEvent
from metadata.register import Register
from tests.support.register import ACTOR, AT, DOCKING, add_clip

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def appended(session: Session, *arguments: Any, **named: Any) -> CustodyEvent:
    return session.get_one(CustodyEvent, events.append(session, *arguments, **named))


def test_the_stored_shape(session: Session) -> None:
    """The leaf hash of RFC 6962 over SHA-256(salt || canonical bytes), computed here once more."""
    clip = add_clip(session).id
    assert isinstance(session, WritingSession)
    session.take_changes()
    facts = {"z": 1, "a": "名字", "big": 2**60, "time": AT, "list": [True, None]}
    row = appended(
        session, EventKind.OFFLOADED, ACTOR, AT, attempt="1", clip=clip, docking=DOCKING, facts=facts
    )
    assert (
        row.body
        == (
            '{"actor":{"authenticated":"os-uid","id":"tester","kind":"system-user"},'
            '"at":"2026-11-20T08:30:15.123456Z","attempt":"1",'
            f'"clip":"{clip}","docking":"docking-1",'
            '"facts":{"a":"名字","big":"1152921504606846976","list":[true,null],'
            '"time":"2026-11-20T08:30:15.123456Z","z":1},'
            f'"kind":"offloaded","schema":"sealdock.event/1","sequence":0,"subject":"{clip}"}}'
        ).encode()
    )
    entry = hashlib.sha256(row.salt + row.body).digest()
    assert row.leaf_hash == hashlib.sha256(b"\x00" + entry).digest()
    assert events.entry(row.salt, row.body) == entry
    assert len(row.salt) == 32
    assert (row.subject, row.clip_id, row.docking_id, row.kind) == (clip, clip, DOCKING, "offloaded")


def test_what_is_read_back_still_hashes(register: Register) -> None:
    with register.write() as session:
        for number in range(20):
            events.append(session, EventKind.WAITING, ACTOR, AT, attempt=str(number), docking=DOCKING)
    with register.read() as session:
        stored = session.scalars(select(CustodyEvent).order_by(CustodyEvent.sequence)).all()
    assert [row.sequence for row in stored] == list(range(20))
    assert [json.loads(row.body)["sequence"] for row in stored] == list(range(20))
    for row in stored:
        entry = hashlib.sha256(row.salt + row.body).digest()
        assert row.leaf_hash == hashlib.sha256(b"\x00" + entry).digest()
    assert len({row.salt for row in stored}) == 20


def test_the_subject_is_clip_then_docking_then_named(session: Session) -> None:
    clip = add_clip(session).id
    row = appended(session, EventKind.SEALED, ACTOR, AT, attempt="1", clip=clip, docking=DOCKING)
    assert row.subject == clip
    row = appended(session, EventKind.CLOSED, ACTOR, AT, attempt="1", docking=DOCKING)
    assert row.subject == DOCKING
    row = appended(session, EventKind.CASE_ADDED, ACTOR, AT, attempt="1", clip=clip, subject="case")
    assert (row.subject, row.clip_id) == ("case", clip)
    with pytest.raises(ValueError, match="is about"):
        events.append(session, EventKind.CASE_ADDED, ACTOR, AT, attempt="1")


def test_a_step_logs_its_event_once(register: Register) -> None:
    def step(attempt: str, kind: EventKind = EventKind.STORED) -> None:
        with register.write() as session:
            events.append(session, kind, ACTOR, AT, attempt=attempt, subject="s")

    step("1")
    with pytest.raises(IntegrityError):
        step("1")
    step("2")
    step("1", EventKind.SEALED)
    with register.read() as session:
        found = sorted(session.scalars(select(CustodyEvent.sequence)))
        assert events.has(session, EventKind.STORED, subject="s", attempt="2")
        assert not events.has(session, EventKind.STORED, subject="s", attempt="3")
        assert not events.has(session, EventKind.STORED, subject="t", attempt="2")
    assert found == [0, 1, 2]


def test_a_rollback_leaves_no_gap(register: Register) -> None:
    def append(attempt: str) -> None:
        with register.write() as session:
            events.append(session, EventKind.STORED, ACTOR, AT, attempt=attempt, subject="s")
            if attempt.startswith("lost"):
                raise RuntimeError

    for attempt in ("1", "lost-1", "2", "lost-2", "lost-3", "3"):
        if attempt.startswith("lost"):
            with pytest.raises(RuntimeError):
                append(attempt)
        else:
            append(attempt)
    with register.read() as session:
        rows = session.execute(select(CustodyEvent.sequence, CustodyEvent.attempt)).all()
    assert [tuple(row) for row in rows] == [(0, "1"), (1, "2"), (2, "3")]


@pytest.mark.parametrize(
    "facts",
    [{"at": AT.replace(tzinfo=None)}, {"share": float("nan")}, {"name": "\udcff"}, {"raw": b"bytes"}],
)
def test_facts_without_a_canonical_form_are_refused(register: Register, facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"naive|NaN|canonical|time zone|zone"), register.write() as session:
        events.append(session, EventKind.STORED, ACTOR, AT, attempt="1", subject="s", facts=facts)
    with register.read() as session:
        assert session.scalar(select(CustodyEvent.sequence)) is None


def test_a_naive_time_is_refused(register: Register) -> None:
    with pytest.raises(ValueError, match=r"zone|naive|aware"), register.write() as session:
        events.append(session, EventKind.STORED, ACTOR, AT.replace(tzinfo=None), attempt="1", subject="s")


@settings(database=None, max_examples=60, deadline=None)
@given(facts=st.dictionaries(TEXT, st.one_of(TEXT, st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1))))
def test_facts_survive_and_bytes_are_canonical(shared_register: Register, facts: dict[str, Any]) -> None:
    with pytest.raises(Undone), shared_register.write() as session:
        row = appended(
            session, EventKind.TAGGED, ACTOR, AT + timedelta(days=1), attempt="1", subject="s", facts=facts
        )
        value = json.loads(row.body)
        assert value["facts"] == facts
        # RFC 8785 sorts by UTF-16 code units and writes no white space.
        ordered = sorted(facts, key=lambda key: key.encode("utf-16-be"))
        assert list(value["facts"]) == ordered
        raise Undone


class Undone(Exception):  # noqa: N818 - no error: it rolls back what an example wrote
    """Raised at the end of an example."""
