"""What a database server alone can do: go away, be full, refuse, and stand in somebody else's place."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from config.errors import (
    InvalidSettingError,
    RegisterLockedError,
    RegisterRefusedError,
    RegisterUnavailableError,
)
from metadata import events, postgres, roles, schema
from metadata.events import EventKind
from metadata.models import CustodyEvent
from metadata.register import Register
from tests.support.engines import only
from tests.support.postgres import Cluster, Place, connect, drop
from tests.support.register import ACTOR, AT, opened

SHORT = timedelta(milliseconds=100)
TAKE = f"SELECT pg_advisory_lock({postgres.WRITE_LOCK})".encode()
SECRET = "correct-horse"  # noqa: S105 - it opens nothing


def append(register: Register, attempt: str) -> None:
    with register.write() as session:
        note(session, attempt)


def note(session: Session, attempt: str) -> None:
    events.append(session, EventKind.INITIALISED, ACTOR, AT, attempt=attempt, subject="s")


def sequences(register: Register) -> list[int]:
    with register.read() as session:
        return list(session.scalars(select(CustodyEvent.sequence).order_by(CustodyEvent.sequence)))


@contextmanager
def changed(place: Place, **parts: object) -> Iterator[Register]:
    url = make_url(place.url).set(**parts)  # type: ignore[arg-type]
    with opened(url.render_as_string(hide_password=False)) as register:
        yield register


@only("postgresql")
def test_a_writer_does_not_wait_for_ever(register: Register, place: Place) -> None:
    with closing(connect(place.url)) as holder, opened(place.url, busy_timeout=SHORT) as other:
        holder.execute(TAKE)
        entered = False
        with pytest.raises(RegisterLockedError) as raised, other.write():
            entered = True
        assert not entered
        assert raised.value.retriable
        assert sequences(other) == []  # readers go on
    append(register, "after")
    assert sequences(register) == [0]


@only("postgresql")
def test_a_writer_waits_for_another_and_sees_what_it_did(register: Register, place: Place) -> None:
    taken, done = threading.Event(), threading.Event()

    def first() -> None:
        with opened(place.url) as other, other.write() as session:
            taken.set()
            time.sleep(0.3)
            note(session, "first")
            done.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert taken.wait(30)
    with register.write() as session:
        assert done.is_set()
        note(session, "second")
    thread.join()
    assert sequences(register) == [0, 1]


@only("postgresql")
def test_a_backend_that_is_ended_in_a_transaction(register: Register, place: Place) -> None:
    append(register, "before")
    with (
        closing(connect(place.url)) as other,
        pytest.raises(RegisterUnavailableError) as raised,
        register.write() as session,
    ):
        note(session, "lost")
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        session.scalar(text("SELECT 1"))
    assert raised.value.retriable
    append(register, "after")
    assert sequences(register) == [0, 1]


def test_a_server_that_is_killed_and_started_again(cluster: Cluster) -> None:
    """Killed within a transaction, stopped between two, started again: nothing half written, no gap."""
    server = cluster.server
    with server.database() as place, opened(place.owner) as owned, opened(place.url) as register:
        schema.upgrade(owned)
        roles.grant(owned, roles.role_of(register))
        append(register, "0")
        with pytest.raises(RegisterUnavailableError), register.write() as session:
            note(session, "killed")
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            assert pid
            os.kill(pid, signal.SIGKILL)
            for _ in range(100):
                session.scalar(text("SELECT 1"))
                time.sleep(0.05)
        again(register, "1")  # the server takes a moment to recover
        cluster.stop()
        with pytest.raises(RegisterUnavailableError) as raised:
            append(register, "away")
        assert raised.value.retriable
        with pytest.raises(RegisterUnavailableError):
            sequences(register)
        cluster.start()
        append(register, "2")
        with pytest.raises(RegisterUnavailableError), register.write() as session:
            note(session, "crashed")
            cluster.crash()
        cluster.start()
        append(register, "3")
        assert sequences(register) == [0, 1, 2, 3]
        owned.close()
        register.close()


def again(register: Register, attempt: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            return append(register, attempt)
        except RegisterUnavailableError:
            assert time.monotonic() < end
            time.sleep(0.1)


@only("postgresql")
def test_a_server_that_only_reads_for_now(register: Register) -> None:
    with pytest.raises(RegisterUnavailableError) as raised, register.write() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))  # as on a standby
        note(session, "0")
    assert raised.value.retriable
    append(register, "1")
    assert sequences(register) == [0]


@only("postgresql")
def test_a_statement_that_takes_too_long(register: Register) -> None:
    with pytest.raises(RegisterUnavailableError), register.write() as session:
        session.execute(text("SET LOCAL statement_timeout = 50"))
        session.execute(text("SELECT pg_sleep(5)"))


@only("postgresql")
def test_a_server_without_a_free_connection(register: Register, place: Place) -> None:
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):
            while True:
                held.enter_context(closing(connect(place.url)))
        with pytest.raises(RegisterUnavailableError) as raised:
            append(register, "0")
        assert raised.value.retriable
    append(register, "1")
    assert sequences(register) == [0]


@only("postgresql")
@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"password": SECRET}, "password"),
        ({"username": "nobody", "password": SECRET}, "nobody"),
        ({"database": "nothing"}, "nothing"),
    ],
)
def test_a_server_that_does_not_let_us_in(place: Place, parts: dict[str, str], problem: str) -> None:
    with changed(place, **parts) as register:
        for use in (register.check_version, lambda: append(register, "0")):
            with pytest.raises(RegisterRefusedError) as raised:
                use()
            assert not raised.value.retriable
            assert problem in str(raised.value.facts["problem"])
            shown = f"{raised.value.sentence()} {raised.value!r} {raised.value.to_json()} {register.url}"
            assert SECRET not in shown
            assert str(make_url(place.url).password) not in shown


@only("postgresql")
def test_a_server_that_is_not_there(place: Place) -> None:
    with changed(place, port=1) as register, pytest.raises(RegisterUnavailableError):
        register.check_version()


@only("postgresql")
def test_an_encoding_that_cannot_hold_every_name(place: Place) -> None:
    with closing(connect(place.owner)) as owner:
        owner.execute(b"CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    try:
        with changed(place, database="latin") as register, pytest.raises(RegisterRefusedError) as raised:
            register.check_version()
        assert "LATIN1" in raised.value.sentence()
    finally:
        drop(place.owner, "latin")


class Elsewhere:
    """A connection that an environment variable led to another computer, without TLS."""

    hostaddr = b"192.0.2.1"
    ssl_in_use = False


def test_a_way_around_the_check_of_the_address() -> None:
    with pytest.raises(InvalidSettingError, match="sslmode"):
        postgres._check_connection(Elsewhere(), "shown")


@only("postgresql")
def test_what_every_connection_asks_for(register: Register) -> None:
    expected = {
        "lock_timeout": "20s",
        "statement_timeout": "2min",
        "TimeZone": "UTC",
        "synchronous_commit": "on",
        "idle_in_transaction_session_timeout": "1min",
    }
    with register.write() as session:
        found = {name: session.scalar(text(f"SHOW {name}")) for name in expected}
    assert found == expected
