"""What somebody can do who owns the register's file: anything, its triggers included."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from hashing.edge import Edge
from tests.support.station import Station


@contextmanager
def register(station: Station) -> Iterator[sqlite3.Connection]:
    """Open the register for writing, with everything that would refuse out of the way."""
    with closing(sqlite3.connect(station.register, timeout=30)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:  # nothing looks as if somebody had been here
            connection.execute(sql)
        connection.commit()


def change(station: Station, statement: str, *values: object) -> None:
    """Run one statement that must change something."""
    with register(station) as connection:
        assert connection.execute(statement, values).rowcount > 0, statement


def rewrite(station: Station, edit: Callable[[int, bytes], bytes | None]) -> None:
    """Rewrite history and make all of its hashes fit.

    ``edit`` returns the new bytes of an event, None to drop it. What was signed
    stays: without the log's key nobody can sign the new root.
    """
    with register(station) as connection:
        rows = connection.execute(
            "SELECT sequence, kind, subject, attempt, clip_id, docking_id, at, body, salt"
            " FROM custody_event ORDER BY sequence"
        ).fetchall()
        connection.execute("DELETE FROM custody_event")
        connection.execute("DELETE FROM ledger_node")
        edge = Edge()
        for sequence, *columns, body, salt in rows:
            new = edit(sequence, body)
            if new is None:
                continue
            number = edge.size
            new = new.replace(f'"sequence":{sequence},'.encode(), f'"sequence":{number},'.encode())
            leaf = hashlib.sha256(b"\0" + hashlib.sha256(salt + new).digest()).digest()
            connection.execute(
                "INSERT INTO custody_event (sequence, kind, subject, attempt, clip_id, docking_id, at, body,"
                " salt, leaf_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, *columns, new, salt, leaf),
            )
            for node in edge.append(leaf):
                connection.execute(
                    "INSERT INTO ledger_node VALUES (?, ?, ?)", (node.level, node.index, node.hash)
                )
