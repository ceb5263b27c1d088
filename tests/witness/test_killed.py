"""Whatever happens to the process and however many ask at once: one witness, one sequence of checkpoints."""

import random
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import pytest

from hashing.log import tree_root
from hashing.notes import Note, decode_base64, parse_signatures
from tests.support.ledger import ORIGIN
from tests.support.station import ROOT, until
from tests.support.witnessing import Log, Witness, body, make

KILLED = str(ROOT / "tests" / "support" / "killed.py")


def history(witness: Witness) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(witness.folder / "witness.db")) as db:
        rows = db.execute("SELECT size, root FROM cosigned ORDER BY size").fetchall()
    return [(size, decode_base64(root)) for size, root in rows]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_before_or_after_the_commit(tmp_path: Path, moment: str) -> None:
    witness, log = make(tmp_path, Log()), Log().grow(3)
    fork = log.copy().grow(3, "other")
    with witness.serving(wrapper=(KILLED, f"{moment}:witness.state:State._commit:2")):
        assert witness.post(log.request(0)).status == 200
        log.grow(3)
        with pytest.raises((OSError, HTTPException)):
            witness.post(log.request(3))
        assert witness.process is not None
        assert witness.process.wait(timeout=30) == -9
    with witness.serving():
        if moment == "after":
            # Nobody has the signature, but the witness knows of it: a fork comes too late.
            got = witness.post(log.request(3))
            assert (got.status, got.body) == (409, b"6\n")
            assert witness.post(fork.request(6)).status == 409
            assert len(witness.cases()) == 1
            assert witness.post(log.request(6)).status == 200
        else:
            assert [size for size, _ in history(witness)] == [3]
            assert witness.post(log.request(3)).status == 200


@pytest.mark.timeout(600)
def test_killed_at_any_moment_it_has_signed_one_history(tmp_path: Path) -> None:
    """Two branches ask for every size at once, and the process is killed again and again."""
    witness = make(tmp_path, Log())
    branches = [Log().grow(2).grow(60, word) for word in ("one", "two")]
    given: list[tuple[int, int]] = []  # branch, size
    chance = random.Random(4)  # noqa: S311 - no secret

    def ask(number: int, stop: threading.Event) -> None:
        log = branches[number]
        old, size = 0, 2
        while not stop.is_set() and size < log.store.size:
            try:
                got = witness.post(log.request(min(old, size), size))
            except (OSError, HTTPException):
                return
            if got.status == 200:
                assert parse_signatures(got.body)
                given.append((number, size))
                old, size = size, size + 1
            elif got.kind == "text/x.tlog.size":
                old = int(got.body)
                size = max(old, 2)
            else:
                size += 1

    for _ in range(6):
        stop = threading.Event()
        with witness.serving():
            threads = [threading.Thread(target=ask, args=(number, stop)) for number in (0, 1)]
            for thread in threads:
                thread.start()
            stop.wait(chance.uniform(0.05, 0.5))
            assert witness.process is not None
            witness.process.kill()
            witness.process.wait()
            stop.set()
            for thread in threads:
                thread.join(timeout=60)
    grown = {number for number, size in given if size > 2}
    assert len(grown) == 1, "it has signed both branches"
    (won,) = grown
    kept = history(witness)
    assert kept == [(size, tree_root(branches[won].store, size)) for size, _ in kept]
    assert {size for _, size in given} <= {size for size, _ in kept}
    with witness.serving():
        latest = Note.parse(witness.latest(ORIGIN).body)
        assert latest.text == branches[won].checkpoint(kept[-1][0]).text


def at_once(witness: Witness, requests: Sequence[bytes]) -> list[int]:
    start = threading.Barrier(len(requests))

    def ask(data: bytes) -> int:
        start.wait()
        return witness.post(data).status

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def test_of_fifty_branches_at_once_one_is_cosigned(tmp_path: Path) -> None:
    witness = make(tmp_path, Log())
    branches = [Log().grow(7, f"branch {number}") for number in range(50)]
    with witness.serving():
        found = at_once(witness, [branch.request(0) for branch in branches])
        assert sorted(found) == [200, *[409] * 49]
        ((size, root),) = history(witness)
        assert (size, root) == (7, branches[found.index(200)].checkpoint().root)
        assert witness.ask("GET", "/health").json["forks"] == 49


def test_fifty_steps_of_one_log_at_once_make_one_sequence(tmp_path: Path) -> None:
    witness, log = make(tmp_path, Log()), Log().grow(50)
    with witness.serving():
        found = at_once(witness, [log.request(size - 1, size) for size in range(1, 51)])
        assert set(found) == {200, 409}
        sizes = [size for size, _ in history(witness)]
        assert sizes == list(range(1, found.count(200) + 1))
        assert history(witness) == [(size, tree_root(log.store, size)) for size in sizes]
        repeats = at_once(witness, [body(sizes[-1], [], log.note(sizes[-1]))] * 50)
        assert repeats == [200] * 50
    assert witness.cases() == []


def test_stops_when_asked(tmp_path: Path) -> None:
    witness = make(tmp_path, Log())
    with witness.serving():
        assert witness.post(Log().grow(1).request(0)).status == 200
    assert witness.process is not None
    until(lambda: witness.process is not None and witness.process.returncode == 0)
