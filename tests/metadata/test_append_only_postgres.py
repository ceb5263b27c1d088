"""PostgreSQL's own ways around a trigger for each row are closed, and the application owns nothing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from config.errors import RegisterRefusedError
from metadata import roles
from metadata.models import Base
from metadata.register import Register
from tests.support.engines import only
from tests.support.postgres import Place
from tests.support.register import opened
from tests.support.two_rows import APPEND_ONLY, KEYS, REPLACEABLE, refused

STATEMENTS = (
    "UPDATE {table} SET {key} = {key}",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({unique}) DO UPDATE SET {key} = EXCLUDED.{key}",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "DROP TRIGGER {trigger} ON {table}",
    "ALTER TABLE {table} ADD COLUMN more text",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "CREATE TRIGGER mine BEFORE INSERT ON {table} EXECUTE FUNCTION refuse()",
    "DROP TABLE {table} CASCADE",
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION refuse() CASCADE",
    "SET session_replication_role = replica",
)


@pytest.fixture(scope="module")
def used(module_place: Place) -> Iterator[Register]:
    """The shared register as the application uses it."""
    with opened(module_place.url) as register:
        yield register


@pytest.mark.parametrize("table", sorted(KEYS))
@only("postgresql", of="module_place")
def test_truncate_is_refused_to_the_owner(full: Session, table: str) -> None:
    refused(full, table, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", APPEND_ONLY)
@only("postgresql", of="module_place")
def test_an_insert_that_would_update_is_refused_to_the_owner(full: Session, table: str) -> None:
    key, unique = KEYS[table][0][0], ", ".join(KEYS[table][0])
    change = f"ON CONFLICT ({unique}) DO UPDATE SET {key} = EXCLUDED.{key}"
    refused(full, table, f"INSERT INTO {table} SELECT * FROM {table} {change}")
    refused(
        full,
        table,
        f"MERGE INTO {table} t USING {table} s ON t.{key} = s.{key}"
        f" WHEN MATCHED THEN UPDATE SET {key} = s.{key}",
    )


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("table", APPEND_ONLY)
@only("postgresql", of="module_place")
def test_the_application_may_not(used: Register, table: str, statement: str) -> None:
    key, unique = KEYS[table][0][0], ", ".join(KEYS[table][0])
    made = statement.format(table=table, key=key, unique=unique, trigger=f"{table}_no_change")
    with pytest.raises(RegisterRefusedError) as raised, used.write() as session:
        session.execute(text(made))
    assert not raised.value.retriable


@only("postgresql")
def test_what_the_application_may(owned: Register) -> None:
    """Exactly the rights that are listed; nothing on a table is anybody else's."""
    with owned.read() as session:
        query = text(
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee = 'sealdock'"
        )
        found = {(str(table), str(right)) for table, right in session.execute(query)}
        query = text(
            "SELECT table_name, column_name FROM information_schema.column_privileges"
            " WHERE grantee = 'sealdock' AND privilege_type = 'UPDATE'"
        )
        columns = {(str(table), str(column)) for table, column in session.execute(query)}
    tables = set(Base.metadata.tables)
    assert found == (
        {(table, right) for table in tables for right in ("SELECT", "INSERT")}
        | {(table, "DELETE") for table in roles.EMPTIED}
        | {("alembic_version", "SELECT")}
    )
    assert columns == {(table, column) for table, names in roles.CHANGES.items() for column in names}
    assert set(roles.EMPTIED) <= REPLACEABLE
    assert set(roles.CHANGES).isdisjoint(APPEND_ONLY)


@only("postgresql")
def test_who_owns_the_tables(register: Register, owned: Register) -> None:
    assert roles.ownership(register) == roles.Ownership("sealdock", owns_tables=False)
    assert roles.ownership(owned) == roles.Ownership("sealdock_owner", owns_tables=True)


@only("sqlite")
def test_an_sqlite_file_has_no_roles(register: Register) -> None:
    assert roles.ownership(register) == roles.Ownership(None, owns_tables=True)
