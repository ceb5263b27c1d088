import multiprocessing
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from config.errors import RegisterLockedError, RegisterUnsupportedError, RegisterVersionError
from metadata import events
from metadata.backend import SCHEMA_VERSION
from metadata.events import EventKind
from metadata.models import CustodyEvent, Officer, Station
from metadata.register import Register
from tests.support.postgres import Place
from tests.support.register import ACTOR, AT, STATION, add_officer, opened

SHORT = timedelta(milliseconds=50)


def officers(register: Register) -> list[str]:
    with register.read() as session:
        return list(session.scalars(select(Officer.id).order_by(Officer.id)))


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg2://u:secret@host/db", "postgresql://u:secret@host", "sqlite://", "mysql://host/db"],
)
def test_other_databases_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(RegisterUnsupportedError) as raised:
        Register(url)
    assert "secret" not in raised.value.sentence()


def test_version_of_a_new_register(register: Register) -> None:
    register.check_version()
    with register.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == SCHEMA_VERSION


def test_version_of_an_empty_database(empty: Place) -> None:
    with opened(empty.url) as register, pytest.raises(RegisterVersionError) as raised:
        register.check_version()
    assert raised.value.facts["found"] == "none"


def test_another_version_is_refused_and_left_alone(owned: Register, place: Place) -> None:
    with owned.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with opened(place.url) as other, pytest.raises(RegisterVersionError) as raised:
        other.check_version()
    assert raised.value.facts == {"url": other.url, "found": "9999", "expected": SCHEMA_VERSION}


def test_a_query_on_a_register_without_tables(empty: Place) -> None:
    with opened(empty.url) as register, pytest.raises(RegisterVersionError), register.read() as session:
        session.scalar(select(func.count()).select_from(Station))


def test_a_write_within_a_write_is_refused(register: Register, place: Place) -> None:
    # Two transactions of one thread would wait for each other; it must not hang, nor half succeed.
    with opened(place.url, busy_timeout=SHORT) as own, own.write() as session:
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


def append_many(register: Register, who: str, times: int) -> None:
    for number in range(times):
        with register.write() as session:
            events.append(session, EventKind.INITIALISED, ACTOR, AT, attempt=f"{number}", subject=who)


def in_a_process(url: str, who: str, times: int) -> None:
    with opened(url) as register:
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


def test_processes_write_one_after_the_other(register: Register, place: Place) -> None:
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=in_a_process, args=(place.url, f"p{n}", 15)) for n in range(2)]
    for child in children:
        child.start()
    append_many(register, "parent", 15)
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert sequences(register) == list(range(45))
