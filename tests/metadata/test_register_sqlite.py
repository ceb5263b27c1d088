"""What an SQLite file alone can do: be damaged, be locked, be full, be somebody else's."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from config.errors import RegisterCorruptError, RegisterLockedError, RegisterUnavailableError
from metadata import schema
from metadata.models import Officer
from metadata.register import Register
from tests.support.engines import only
from tests.support.register import AT, add_officer, opened, url_of

SHORT = timedelta(milliseconds=50)
INDEX = "sqlite_autoindex_officer_1"  # what a list of officers is read from


def officers(register: Register) -> list[str]:
    with register.read() as session:
        return list(session.scalars(select(Officer.id).order_by(Officer.id)))


def test_a_file_that_is_no_database(database: Path) -> None:
    database.write_bytes(b"this is no database, " * 500)
    before = database.read_bytes()
    with opened(database) as register:
        for use in (register.check_version, lambda: schema.upgrade(register), lambda: officers(register)):
            with pytest.raises(RegisterCorruptError):
                use()
    assert database.read_bytes() == before


@only("sqlite")
def test_a_damaged_page(register: Register, database: Path) -> None:
    with register.write() as session:
        for number in range(2000):
            session.add(Officer(id=f"officer-{number:04d}-{'x' * 40}", name=None, created_at=AT))
    register.close()
    with sqlite3.connect(database) as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_size,) = plain.execute("PRAGMA page_size").fetchone()
        (root,) = plain.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (INDEX,)).fetchone()
    plain.close()
    with database.open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(b"\xff" * page_size)
    with opened(database) as damaged, pytest.raises(RegisterCorruptError) as raised:
        officers(damaged)
    assert "malformed" in str(raised.value.facts["problem"])


@only("sqlite")
def test_a_locked_register(register: Register, database: Path) -> None:
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with opened(database, busy_timeout=SHORT) as other:
            entered = False
            with pytest.raises(RegisterLockedError) as raised, other.write():
                entered = True  # never: the lock is taken before the first statement
            assert not entered
            assert raised.value.retriable
            assert raised.value.facts["url"] == url_of(database)
            with pytest.raises(RegisterLockedError):
                schema.upgrade(other)
            assert officers(other) == []  # readers go on
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    with register.write() as session:
        add_officer(session, "after")
    assert officers(register) == ["after"]


@only("sqlite")
def test_a_disk_without_room(register: Register, database: Path) -> None:
    with pytest.raises(RegisterUnavailableError) as raised, register.write() as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # SQLite's own word for "no room"
        for number in range(500):
            add_officer(session, f"officer-{number}-{'x' * 200}")
            session.flush()
    assert raised.value.retriable
    assert "full" in str(raised.value.facts["problem"])
    with opened(database) as again:
        assert officers(again) == []


@only("sqlite")
@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_file_that_this_user_may_not_write(register: Register, database: Path, mode: int) -> None:
    register.close()
    database.chmod(mode)
    with (
        opened(database) as other,
        pytest.raises(RegisterUnavailableError) as raised,
        other.write() as session,
    ):
        add_officer(session, "nobody")
    if os.geteuid():  # to root everything is writable
        assert "read-only for this user" in str(raised.value)
    database.chmod(0o644)
    assert officers(register) == []


@only("sqlite")
def test_an_empty_file_is_a_damaged_register(register: Register, database: Path) -> None:
    register.close()
    database.write_bytes(b"")
    with opened(database) as other:
        other.require()  # an init may have been cut off
    database.with_name("engine.db").touch()
    with opened(database) as other, pytest.raises(RegisterCorruptError, match="empty"):
        other.require()
    assert database.read_bytes() == b""


@only("sqlite")
def test_a_writer_waits_for_another(register: Register, database: Path) -> None:
    holder = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: holder.execute("ROLLBACK"))
    release.start()
    started = time.monotonic()
    with register.write() as session:
        add_officer(session, "patient")
    release.join()
    holder.close()
    assert time.monotonic() - started > 0.2
    assert officers(register) == ["patient"]


@only("sqlite")
def test_every_connection_is_durable_and_keeps_foreign_keys(register: Register) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    with register.read() as session:
        found = {name: session.scalar(text(f"PRAGMA {name}")) for name in expected}
    assert found == expected


KILLED = """
import os, sqlite3, sys
plain = sqlite3.connect(sys.argv[1], isolation_level=None)
plain.execute("BEGIN IMMEDIATE")
plain.execute("INSERT INTO officer (id, created_at) VALUES ('killed', '2026-01-01 00:00:00')")
os.kill(os.getpid(), 9)
"""


@only("sqlite")
def test_a_writer_that_is_killed_leaves_nothing(register: Register, database: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(database)], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    with register.write() as session:
        add_officer(session, "next")
    assert officers(register) == ["next"]
