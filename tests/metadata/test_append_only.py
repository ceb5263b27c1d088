"""Rows that say what happened are never changed, and what was seen is never deleted: the database refuses."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from metadata import events
from metadata.events import EventKind
from metadata.models import Base
from metadata.register import Register
from tests.support.register import ACTOR, AT, add_officer
from tests.support.two_rows import APPEND_ONLY, KEYS, REPLACEABLE, refused


def test_every_table_has_a_rule() -> None:
    assert set(KEYS) | REPLACEABLE == set(Base.metadata.tables)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_update_is_refused(full: Session, table: str) -> None:
    for column in Base.metadata.tables[table].columns:
        refused(full, table, f'UPDATE {table} SET "{column.name}" = "{column.name}"')


@pytest.mark.parametrize("table", sorted(KEYS))
def test_delete_is_refused(full: Session, table: str) -> None:
    refused(full, table, f"DELETE FROM {table}")
    key = KEYS[table][0][0]
    refused(full, table, f"DELETE FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})")


def test_what_may_change_still_changes(full: Session) -> None:
    for change in (
        "UPDATE clip SET state = 'offloaded', reason = 'x'",
        "UPDATE link SET ended_at = at",
        "UPDATE hold SET ended_at = at",
        "UPDATE docking SET superseded = true",
        "UPDATE stored_version SET verified_at = created_at",
        "UPDATE sighting SET outcome = 'not-safe'",
        "UPDATE seal_timestamp SET stored = true",
        "UPDATE signing_key SET retired_at = created_at",
        "UPDATE integrity_run SET ended_at = started_at",
        "UPDATE object SET other_digests = '[]'",
    ):
        assert full.connection().exec_driver_sql(change).rowcount >= 2


def test_a_refusal_rolls_back_the_caller(owned: Register) -> None:
    with owned.write() as session:
        events.append(session, EventKind.INITIALISED, ACTOR, AT, attempt="0", subject="s")
    with pytest.raises(IntegrityError), owned.write() as session:
        add_officer(session, "never")
        session.execute(text("DELETE FROM custody_event"))
    with owned.read() as session:
        assert session.scalar(text("SELECT count(*) FROM officer")) == 0
        assert session.scalar(text("SELECT count(*) FROM custody_event")) == 1
