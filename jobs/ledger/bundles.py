"""Read event bundles out of a vault, and bring their events into the log's order."""

import base64
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Self

import orjson

from hashing.digest import Digest
from jobs.ahead import mapping
from jobs.ledger import reading
from jobs.ledger.parts import SCHEMA
from jobs.ledger.writing import Progress
from storage import layout
from storage.vault import Vault

_PAGE = 200


class Spool:
    """Events by their numbers, in a temporary file: bundles hold them by clip."""

    def __enter__(self) -> Self:
        """Make the file."""
        self._place = tempfile.TemporaryDirectory(prefix="sealdock-")
        self._file = sqlite3.connect(Path(self._place.name) / "events.db", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute("CREATE TABLE event (sequence INTEGER PRIMARY KEY, body BLOB, salt BLOB)")
        self._file.execute("CREATE TABLE bundle (key TEXT PRIMARY KEY, version TEXT, sha256 TEXT)")
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove it."""
        self._file.close()
        self._place.cleanup()

    def add(self, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Take events in: number, canonical bytes, salt."""
        self._file.execute("BEGIN")
        # One that a publication cut off in the middle wrote stands in two bundles.
        self._file.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def note(self, bundles: Iterable[tuple[str, str, str]]) -> None:
        """Note bundles that were read: key, version, SHA-256 (hex)."""
        self._file.execute("BEGIN")
        self._file.executemany("INSERT INTO bundle VALUES (?, ?, ?)", bundles)
        self._file.execute("COMMIT")

    def bundle(self, key: str) -> tuple[str, str] | None:
        """Return version and SHA-256 (hex) of a bundle that was read; None if it was not."""
        found = self._file.execute("SELECT version, sha256 FROM bundle WHERE key = ?", (key,)).fetchone()
        return None if found is None else (found[0], found[1])

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the events in the order of their numbers."""
        yield from self._file.execute("SELECT sequence, body, salt FROM event ORDER BY sequence")


def collect(
    vault: Vault,
    origin: str,
    spool: Spool,
    first: int,
    size: int,
    on_progress: Progress | None,
    hands: int,
) -> None:
    """Read every bundle with events from ``first`` to before ``size``, ``hands`` of them at once."""

    def wanted() -> Iterator[str]:
        for key in vault.keys("events/"):
            found = layout.events_range(key)
            if found is not None and found[1] >= first and found[0] < size:
                yield key

    done = 0
    with mapping(hands) as over:
        keys = wanted()
        while page := list(islice(keys, _PAGE)):
            read = list(over(lambda key: _bundle(vault, key, origin), page))
            spool.add(row for _, _, rows in read for row in rows if first <= row[0] < size)
            spool.note(
                (key, version, digest)
                for key, (version, digest, rows) in zip(page, read, strict=True)
                if rows
            )
            done += sum(len(rows) for _, _, rows in read)
            if on_progress is not None:
                on_progress("events", min(done, size - first), size - first)


def _bundle(vault: Vault, key: str, origin: str) -> tuple[str, str, list[tuple[int, bytes, bytes]]]:
    """Return version, SHA-256 (hex) and events of one bundle; none of another log, which may share the vault.

    None of what is no bundle, either: whoever may write there must not keep a register from coming back. All
    events are checked against a signed root, so what a damaged bundle held is missed.
    """
    found, data = reading.fetch(vault, key)
    try:
        value = orjson.loads(data)
        ours = (value["schema"], value["origin"]) == (SCHEMA, origin)
        rows = [
            (int(item["sequence"]), item["body"].encode("utf-8"), base64.b64decode(item["salt"]))
            for item in value["events"]
            if ours
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        rows = []
    return found.version, Digest.sha256(data).hex, rows
