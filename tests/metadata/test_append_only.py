"""Rows that say what happened are never changed, and what was seen is never deleted: the database refuses."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from metadata import events
from metadata.events import EventKind
from metadata.models import (
    Alert,
    Assignment,
    Base,
    Case,
    CaseWindow,
    IntegrityResult,
    IntegrityRun,
    Link,
    Seal,
    SealTimestamp,
    Sighting,
    SigningKey,
    StoredVersion,
    Tag,
)
from metadata.register import Register
from tests.support.register import ACTOR, AT, DOCKING, RECORDER, add_clip, add_officer, made

APPEND_ONLY = ("custody_event", "integrity_result", "seal", "tag")
REPLACEABLE = {"link_candidate", "progress", "derivative"}

# Every unique key of each table beside its hidden row number.
KEYS = {
    "alert": [("id",)],
    "assignment": [("id",)],
    "case_window": [("id",), ("case_id", "officer_id", "starts_at", "ends_at")],
    "clip": [("id",)],
    "custody_event": [("sequence",), ("subject", "kind", "attempt")],
    "docking": [("id",)],
    "enforcement_case": [("id",), ("number",)],
    "integrity_result": [("id",)],
    "integrity_run": [("id",)],
    "link": [("id",), ("clip_id",)],
    "object": [("sha256",)],
    "officer": [("id",)],
    "recorder": [("id",), ("identity",)],
    "seal": [("manifest_sha256",)],
    "seal_timestamp": [("manifest_sha256",)],
    "sighting": [("id",), ("docking_id", "position")],
    "signing_key": [("id",)],
    "station": [("id",)],
    "stored_version": [("id",), ("vault", "key", "version")],
    "tag": [("id",), ("clip_id", "category")],
}
CASES = [(table, key) for table, keys in KEYS.items() for key in [*keys, ("rowid",)]]


def digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Register]:
    """A register that has two rows in each table."""
    with made(tmp_path_factory.mktemp("filled") / "register.db") as register:
        with register.write() as session:
            for mark in ("1", "2"):
                fill(session, mark)
        yield register


@pytest.fixture
def full(filled: Register) -> Iterator[Session]:
    """A session whose changes are rolled back."""
    with pytest.raises(Undone), filled.write() as session:
        yield session
        raise Undone


class Undone(Exception):  # noqa: N818 - no error: it rolls back what a test tried
    """Raised at the end of a test."""


def fill(session: Session, mark: str) -> None:
    actor: dict[str, Any] = ACTOR.to_json()
    if mark == "2":
        session.execute(
            text("INSERT INTO station (id, name, created_at) SELECT id || 'b', name, created_at FROM station")
        )
        session.execute(
            text(
                "INSERT INTO recorder SELECT id || 'b', identity || 'b', serial, profile, claimed, first_seen"
                " FROM recorder"
            )
        )
        columns = ", ".join(c.name for c in Base.metadata.tables["docking"].columns if c.name != "id")
        session.execute(text(f"INSERT INTO docking (id, {columns}) SELECT id || 'b', {columns} FROM docking"))
    clip = add_clip(session, f"clip-{mark}", sha256=digest(f"bytes {mark}"))
    officer = add_officer(session, f"officer-{mark}")
    case = Case(
        id=f"case-{mark}", number=mark, number_as_written=mark, title=None, created_at=AT, actor=actor
    )
    run = IntegrityRun(id=f"run-{mark}", level="full", actor=actor, started_at=AT, checked=0, failed=0)
    key = SigningKey(
        id=digest(f"key {mark}"),
        purpose="station",
        certificate=b"",
        chain=b"",
        not_before=AT,
        not_after=AT,
        created_at=AT,
    )
    session.add_all([case, run, key])
    session.flush()
    seal = digest(f"manifest {mark}")
    session.add(
        Seal(
            manifest_sha256=seal,
            clip_id=clip.id,
            manifest=b"{}",
            signature=b"",
            key_id=key.id,
            timestamp_wanted=True,
            created_at=AT,
        )
    )
    session.flush()
    session.add_all(
        [
            SealTimestamp(manifest_sha256=seal, signature=b"", authority="", time=AT),
            Alert(id=f"alert-{mark}", kind="k", clip_id=clip.id, facts={}, at=AT),
            Assignment(id=f"as-{mark}", recorder_id=RECORDER, officer_id=officer, starts_at=AT),
            CaseWindow(
                id=f"w-{mark}",
                case_id=case.id,
                officer_id=officer,
                starts_at=AT,
                ends_at=AT + timedelta(hours=1),
            ),
            Link(id=f"link-{mark}", clip_id=clip.id, case_id=case.id, method="auto", actor=actor, at=AT),
            IntegrityResult(
                id=f"result-{mark}", run_id=run.id, clip_id=clip.id, problem=None, bytes_read=1, at=AT
            ),
            Sighting(
                id=f"seen-{mark}",
                docking_id=DOCKING,
                position=int(mark),
                clip_id=clip.id,
                size=1,
                mtime_ns=0,
                outcome="read",
            ),
            StoredVersion(
                id=f"version-{mark}",
                vault="file:///v",
                key=f"k{mark}",
                version="1",
                kind="original",
                sha256=digest(mark),
                size=1,
                lock_mode="advisory",
                created_at=AT,
            ),
            Tag(id=f"tag-{mark}", clip_id=clip.id, category="routine", actor=actor, at=AT),
        ]
    )
    session.flush()
    events.append(session, EventKind.TAGGED, ACTOR, AT, attempt=mark, clip=clip.id)


def rows(session: Session, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.execute(text(f"SELECT rowid, * FROM {table} ORDER BY rowid"))]


def refused(session: Session, table: str, statement: str) -> None:
    """The statement must fail by a trigger's word, and the table must stay as it is."""
    before = rows(session, table)
    assert len(before) == 2
    with pytest.raises(IntegrityError, match=r"append-only|never deleted"), session.begin_nested():
        session.execute(text(statement))
    assert rows(session, table) == before


def test_every_table_has_a_rule() -> None:
    assert set(KEYS) | REPLACEABLE == set(Base.metadata.tables)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_update_is_refused(full: Session, table: str) -> None:
    for column in Base.metadata.tables[table].columns:
        refused(full, table, f'UPDATE {table} SET "{column.name}" = "{column.name}"')
        refused(full, table, f'UPDATE OR REPLACE {table} SET "{column.name}" = "{column.name}"')


@pytest.mark.parametrize("table", sorted(KEYS))
def test_delete_is_refused(full: Session, table: str) -> None:
    refused(full, table, f"DELETE FROM {table}")
    refused(full, table, f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")


@pytest.mark.parametrize(("table", "key"), CASES)
def test_an_insert_that_replaces_is_refused(full: Session, table: str, key: tuple[str, ...]) -> None:
    """A new row that shares one unique key with an old one, and differs in all others."""
    refused(full, table, f"INSERT OR REPLACE INTO {table} {copy_of_the_first(table, key)}")
    refused(full, table, f"REPLACE INTO {table} {copy_of_the_first(table, key)}")


def copy_of_the_first(table: str, kept: tuple[str, ...]) -> str:
    """Return the columns and a SELECT of the first row, with fresh values in every other unique key."""
    fresh: dict[str, str] = {"rowid": "1000000"}
    for key in KEYS[table]:
        column = key[-1]
        if (len(key) == 1 and column in {"sequence", "position"}) or column == "position":
            fresh[column] = "1000000"
        elif column in {"sha256", "manifest_sha256"} or table == "signing_key":
            fresh[column] = f"'{digest('fresh')}'"
        elif column == "clip_id":
            fresh["ended_at"] = "'2026-01-01 00:00:00.000000'"
        else:
            fresh[column] = "'fresh'"
    for column in kept:
        fresh.pop(column, None)
    if table == "link" and kept == ("clip_id",):
        fresh.pop("ended_at", None)
    if "rowid" in kept:
        fresh["rowid"] = "rowid"
    if table == "custody_event":  # its sequence is the row number
        fresh.pop("rowid")
        if "rowid" in kept:
            fresh.pop("sequence", None)
    names = [column.name for column in Base.metadata.tables[table].columns]
    if "rowid" in fresh:
        names.insert(0, "rowid")
    values = ", ".join(fresh.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    return f"({columns}) SELECT {values} FROM {table} ORDER BY {table}.rowid LIMIT 1"


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, key in CASES if table not in APPEND_ONLY])
def test_an_update_that_replaces_is_refused(full: Session, table: str, key: tuple[str, ...]) -> None:
    """The second row takes a unique key of the first: the first would go without a delete trigger."""
    first = f"SELECT %s FROM {table} ORDER BY rowid LIMIT 1"
    values = ", ".join(f"{column} = ({first % column})" for column in key)
    refused(
        full, table, f"UPDATE OR REPLACE {table} SET {values} WHERE rowid = (SELECT max(rowid) FROM {table})"
    )


def test_what_may_change_still_changes(full: Session) -> None:
    for change in (
        "UPDATE clip SET state = 'offloaded', reason = 'x'",
        "UPDATE link SET ended_at = at",
        "UPDATE docking SET superseded = 1",
        "UPDATE stored_version SET verified_at = created_at",
        "UPDATE sighting SET outcome = 'not-safe'",
        "UPDATE seal_timestamp SET stored = 1",
        "UPDATE signing_key SET retired_at = created_at",
        "UPDATE integrity_run SET ended_at = started_at",
        "UPDATE object SET other_digests = '[]'",
    ):
        assert full.connection().exec_driver_sql(change).rowcount >= 2


def test_a_refusal_rolls_back_the_caller(register: Register) -> None:
    with register.write() as session:
        events.append(session, EventKind.INITIALISED, ACTOR, AT, attempt="0", subject="s")
    with pytest.raises(IntegrityError), register.write() as session:
        add_officer(session, "never")
        session.execute(text("DELETE FROM custody_event"))
    with register.read() as session:
        assert session.scalar(text("SELECT count(*) FROM officer")) == 0
        assert session.scalar(text("SELECT count(*) FROM custody_event")) == 1
