import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from metadata import schema
from metadata.models import Base
from metadata.register import Register
from tests.support.postgres import Place
from tests.support.register import add_clip, opened

SQLITE = (
    "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index', 'trigger')"
    " AND name NOT LIKE 'sqlite_%' AND tbl_name <> 'alembic_version'"
)
OURS = "'public'::regnamespace"
POSTGRESQL = f"""
SELECT c.relname, string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull),
                             ', ' ORDER BY attnum)
  FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
 WHERE relkind = 'r' AND attnum > 0 AND relnamespace = {OURS} AND relname <> 'alembic_version' GROUP BY 1
UNION ALL SELECT indexname, indexdef FROM pg_indexes
 WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = {OURS} AND conrelid::regclass::text <> 'alembic_version' AND contype <> 'n'
UNION ALL SELECT tgname, concat(tgenabled, pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT proname, prosrc FROM pg_proc WHERE pronamespace = {OURS}
"""


def shape(register: Register) -> dict[str, str]:
    """Return what the schema is made of, each thing with its definition."""
    with register.connection() as connection:
        query = SQLITE if register.engine == "sqlite" else POSTGRESQL
        return {str(name): str(definition) for name, definition in connection.exec_driver_sql(query)}


def checks(register: Register) -> set[str]:
    """Return the check constraints, as the database tells them."""
    found = shape(register)
    if register.engine == "postgresql":
        return {f"{name} {rule}" for name, rule in found.items() if name.startswith("ck_")}
    lines = [line.strip(" ,") for rule in found.values() for line in rule.splitlines()]
    return {line for line in lines if "CHECK" in line}


def test_the_models_are_what_the_migrations_make(owned: Register) -> None:
    with owned.connection() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_checks_of_the_models_are_what_the_migrations_make(owned: Register, empty: Place) -> None:
    # compare_metadata does not look at check constraints.
    with opened(empty.owner) as other:
        with other.connection() as connection:
            Base.metadata.create_all(connection)
        assert checks(owned) == checks(other)
    assert len(checks(owned)) > 10


def test_the_partial_index(owned: Register) -> None:
    assert "WHERE" in shape(owned)["uq_link_current"]


def test_down_and_up_again(owned: Register) -> None:
    with owned.write() as session:
        add_clip(session)
    before = shape(owned)
    schema.downgrade(owned, "base")
    assert shape(owned) == {}
    schema.upgrade(owned)
    assert shape(owned) == before
    owned.check_version()


def test_a_second_upgrade_changes_nothing(owned: Register) -> None:
    before = shape(owned)
    schema.upgrade(owned)
    assert shape(owned) == before


def test_an_upgrade_that_fails_leaves_nothing_behind(empty: Place) -> None:
    with opened(empty.owner) as register:
        with register.connection() as connection:
            connection.execute(text("CREATE TABLE tag (theirs integer)"))
        with pytest.raises(DBAPIError, match="already exists"):
            schema.upgrade(register)
        assert list(shape(register)) == ["tag"]


def test_two_upgrades_at_once(empty: Place) -> None:
    problems: list[Exception] = []

    def upgrade() -> None:
        register = Register(empty.owner)
        try:
            schema.upgrade(register)
            register.check_version()
        except Exception as error:  # noqa: BLE001 - the thread's verdict
            problems.append(error)
        finally:
            register.close()

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
