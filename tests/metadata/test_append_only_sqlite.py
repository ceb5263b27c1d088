"""SQLite knows statements that delete a row without saying DELETE; they are refused as well."""

import pytest
from sqlalchemy.orm import Session

from metadata.models import Base
from tests.support.engines import only
from tests.support.two_rows import APPEND_ONLY, KEYS, digest, refused

pytestmark = only("sqlite", of="module_place")

CASES = [(table, key) for table, keys in KEYS.items() for key in [*keys, ("rowid",)]]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_an_update_that_replaces_is_an_update(full: Session, table: str) -> None:
    for column in Base.metadata.tables[table].columns:
        refused(full, table, f'UPDATE OR REPLACE {table} SET "{column.name}" = "{column.name}"')


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
        if (len(key) == 1 and column in {"sequence", "size"}) or column == "position":
            fresh[column] = "1000000"
        elif column in {"sha256", "manifest_sha256"} or table == "signing_key":
            fresh[column] = f"'{digest('fresh')}'"
        elif column == "clip_id":
            fresh["ended_at"] = "'2026-01-01 00:00:00.000000'"
        else:
            fresh[column] = "'fresh'"
    for column in kept:
        fresh.pop(column, None)
    if table in {"link", "hold"} and kept == ("clip_id",):
        fresh.pop("ended_at", None)
    if "rowid" in kept:
        fresh["rowid"] = "rowid"
    number = {"custody_event": "sequence", "ledger_checkpoint": "size"}.get(table)
    if number is not None:  # it is the row number
        fresh.pop("rowid")
        if "rowid" in kept:
            fresh.pop(number, None)
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
