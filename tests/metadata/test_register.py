import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from config.errors import (
    RegisterCorruptError,
    RegisterLockedError,
    RegisterUnavailableError,
    RegisterUnsupportedError,
    RegisterVersionError,
)
from metadata import events, schema
from metadata.events import EventKind
from metadata.models import CustodyEvent, Officer, Station
from metadata.register import SCHEMA_VERSION, Register
from tests.support.register import ACTOR, AT, STATION, add_officer, opened, url_of

SHORT = timedelta(milliseconds=50)
INDEX = "sqlite_autoindex_officer_1"  # what a list of officers is read from


def officers(register: Register) -> list[str]:
    with register.read() as session:
        return list(session.scalars(select(Officer.id).order_by(Officer.id)))


@pytest.mark.parametrize("url", ["postgresql://u:secret@host/db", "sqlite://", "mysql://host/db"])
def test_other_databases_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(RegisterUnsupportedError) as raised:
        Register(url)
    assert "secret" not in raised.value.sentence()


def test_version_of_a_new_register(register: Register) -> None:
    register.check_version()
    with register.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == SCHEMA_VERSION


def test_version_of_an_empty_file(database: Path) -> None:
    with opened(database) as register, pytest.raises(RegisterVersionError) as raised:
        register.check_version()
    assert raised.value.facts["found"] == "none"


def test_another_version_is_refused_and_left_alone(register: Register, database: Path) -> None:
    with register.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with opened(database) as other, pytest.raises(RegisterVersionError) as raised:
        other.check_version()
    assert raised.value.facts == {"url": url_of(database), "found": "9999", "expected": SCHEMA_VERSION}


def test_a_query_on_a_register_without_tables(database: Path) -> None:
    with opened(database) as register, pytest.raises(RegisterVersionError), register.read() as session:
        session.scalar(select(func.count()).select_from(Station))


def test_a_file_that_is_no_database(database: Path) -> None:
    database.write_bytes(b"this is no database, " * 500)
    before = database.read_bytes()
    with opened(database) as register:
        for use in (register.check_version, lambda: schema.upgrade(register), lambda: officers(register)):
            with pytest.raises(RegisterCorruptError):
                use()
    assert database.read_bytes() == before


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


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_file_that_this_user_may_not_write(register: Register, database: Path, mode: int) -> None:
    register.close()
    database.chmod(mode)
    with opened(database) as other, pytest.raises(RegisterUnavailableError), other.write() as session:
        add_officer(session, "nobody")
    database.chmod(0o644)
    assert officers(register) == []


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


def test_a_write_within_a_write_is_refused(register: Register, database: Path) -> None:
    # Two transactions of one thread would wait for each other; it must not hang, nor half succeed.
    with opened(database, busy_timeout=SHORT) as own, own.write() as session:
        add_officer(session, "outer")
        with pytest.raises(RegisterLockedError), own.write() as inner:
            add_officer(inner, "inner")
    assert officers(register) == ["outer"]


def test_an_error_rolls_everything_back(register: Register) -> None:
    with pytest.raises(ZeroDivisionError), register.write() as session:
        add_officer(session, "nobody")
        raise ZeroDivisionError
    assert officers(register) == []
    with register.write() as session:
        add_officer(session, "somebody")
    assert officers(register) == ["somebody"]


def test_what_a_reader_changes_is_not_kept(register: Register) -> None:
    with register.read() as session:
        add_officer(session, "ghost")
    assert officers(register) == []


def test_a_reader_sees_one_snapshot(register: Register) -> None:
    with register.read() as reader:
        assert reader.scalar(select(func.count()).select_from(Officer)) == 0
        with register.write() as session:
            add_officer(session, "late")
        reader.expire_all()
        assert reader.scalar(select(func.count()).select_from(Officer)) == 0
    assert officers(register) == ["late"]


def test_times_come_back_with_their_zone(register: Register) -> None:
    with register.read() as session:
        assert session.get_one(Station, STATION).created_at == AT


def test_a_naive_time_is_refused(register: Register) -> None:
    with pytest.raises(Exception, match="naive time refused"), register.write() as session:
        session.add(Officer(id="o", name=None, created_at=AT.replace(tzinfo=None)))
        session.flush()
    assert officers(register) == []


def test_every_connection_is_durable_and_keeps_foreign_keys(register: Register) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    with register.read() as session:
        found = {name: session.scalar(text(f"PRAGMA {name}")) for name in expected}
    assert found == expected


def append_many(register: Register, who: str, times: int) -> None:
    for number in range(times):
        with register.write() as session:
            events.append(session, EventKind.INITIALISED, ACTOR, AT, attempt=f"{number}", subject=who)


def in_a_process(path: str, who: str, times: int) -> None:
    with opened(Path(path)) as register:
        append_many(register, who, times)


def sequences(register: Register) -> list[int]:
    with register.read() as session:
        return list(session.scalars(select(CustodyEvent.sequence).order_by(CustodyEvent.sequence)))


def test_threads_write_one_after_the_other(register: Register) -> None:
    threads = [threading.Thread(target=append_many, args=(register, f"t{n}", 10)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sequences(register) == list(range(60))


def test_processes_write_one_after_the_other(register: Register, database: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=in_a_process, args=(str(database), f"p{n}", 15)) for n in range(2)]
    for child in children:
        child.start()
    append_many(register, "parent", 15)
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert sequences(register) == list(range(45))


KILLED = """
import os, sqlite3, sys
plain = sqlite3.connect(sys.argv[1], isolation_level=None)
plain.execute("BEGIN IMMEDIATE")
plain.execute("INSERT INTO officer (id, created_at) VALUES ('killed', '2026-01-01 00:00:00')")
os.kill(os.getpid(), 9)
"""


def test_a_writer_that_is_killed_leaves_nothing(register: Register, database: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(database)], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    with register.write() as session:
        add_officer(session, "next")
    assert officers(register) == ["next"]
