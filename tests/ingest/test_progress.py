import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.progress import ByteCounter
from metadata.models import Progress
from metadata.register import Register
from metadata.repo import dockings
from tests.support.register import AT, DOCKING, made, opened


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    with made(tmp_path / "register.db") as register:
        with register.write() as session:
            dockings.start_progress(session, DOCKING, 100, AT)
        yield register


def done(register: Register) -> int:
    with register.read() as session:
        return session.get_one(Progress, DOCKING).bytes_done


def later(counter: ByteCounter) -> ByteCounter:
    counter._written -= 1  # as if a second had gone by
    return counter


def test_bytes_are_written_now_and_then(register: Register) -> None:
    counter = ByteCounter(register, DOCKING)
    counter(10)
    assert done(register) == 0
    later(counter)(20)
    assert done(register) == 30
    counter(5)
    assert done(register) == 30


def test_threads_lose_nothing(register: Register) -> None:
    counter = ByteCounter(register, DOCKING)
    threads = [threading.Thread(target=lambda: [counter(1) for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    later(counter)(0)
    assert done(register) == 4000


def test_a_locked_register_does_not_stop_a_copy(register: Register, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "register.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with opened(tmp_path / "register.db", busy_timeout=timedelta(milliseconds=20)) as impatient:
        counter = ByteCounter(impatient, DOCKING)
        later(counter)(7)
        holder.execute("ROLLBACK")
        holder.close()
        assert done(register) == 0
        later(counter)(1)
    assert done(register) == 8
