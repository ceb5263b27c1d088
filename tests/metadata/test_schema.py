import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from metadata import schema
from metadata.models import Base
from metadata.register import Register
from tests.support.register import add_clip, opened, url_of

OWN = "type IN ('table', 'index', 'trigger') AND name NOT LIKE 'sqlite_%' AND tbl_name <> 'alembic_version'"


def shape(database: Path) -> dict[str, str]:
    with sqlite3.connect(database) as plain:
        found = dict(plain.execute(f"SELECT name, sql FROM sqlite_master WHERE {OWN}").fetchall())
    plain.close()
    return found


def test_the_models_are_what_the_migrations_make(register: Register) -> None:
    with register.connection() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_checks_of_the_models_are_what_the_migrations_make(register: Register, tmp_path: Path) -> None:
    # compare_metadata does not look at check constraints.
    plain_made = tmp_path / "models.db"
    with opened(plain_made) as other, other.connection() as connection:
        Base.metadata.create_all(connection)

    def checks(of: Register) -> dict[str, set[str]]:
        with of.connection() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            return {
                name: {line.strip(" ,") for line in sql.splitlines() if "CHECK" in line}
                for name, sql in rows
                if name != "alembic_version"
            }

    with opened(plain_made) as other:
        assert checks(register) == checks(other)
    assert sum(map(len, checks(register).values())) > 10


def test_down_and_up_again(register: Register, database: Path) -> None:
    with register.write() as session:
        add_clip(session)
    before = shape(database)
    schema.downgrade(register, "base")
    assert shape(database) == {}
    schema.upgrade(register)
    assert shape(database) == before
    register.check_version()


def test_a_second_upgrade_changes_nothing(register: Register, database: Path) -> None:
    before = database.read_bytes()
    schema.upgrade(register)
    assert database.read_bytes() == before


def test_an_upgrade_that_fails_leaves_nothing_behind(database: Path) -> None:
    with sqlite3.connect(database) as plain:
        plain.execute("CREATE TABLE tag (theirs)")
    plain.close()
    with opened(database) as register, pytest.raises(OperationalError, match="already exists"):
        schema.upgrade(register)
    assert list(shape(database)) == ["tag"]


def test_two_upgrades_at_once(database: Path) -> None:
    problems: list[Exception] = []

    def upgrade() -> None:
        register = Register(url_of(database))
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
