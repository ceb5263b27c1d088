"""Read event bundles out of a vault, and bring their events into the log's order."""

import base64
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Self

from config.errors import LedgerForeignError
from jobs.ledger import reading
from jobs.ledger.parts import SCHEMA
from jobs.ledger.writing import Progress
from storage import layout
from storage.vault import Vault

_PAGE = 200
_READERS = 8


class Spool:
    """Events by their numbers, in a temporary file: bundles hold them by clip."""

    def __enter__(self) -> Self:
        """Make the file."""
        self._place = tempfile.TemporaryDirectory(prefix="sealdock-")
        self._file = sqlite3.connect(Path(self._place.name) / "events.db", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute("CREATE TABLE event (sequence INTEGER PRIMARY KEY, body BLOB, salt BLOB)")
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

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the events in the order of their numbers."""
        yield from self._file.execute("SELECT sequence, body, salt FROM event ORDER BY sequence")


def collect(
    vault: Vault, origin: str, spool: Spool, first: int, size: int, on_progress: Progress | None
) -> None:
    """Read every bundle with events from ``first`` to before ``size``."""

    def wanted() -> Iterator[str]:
        for key in vault.keys("events/"):
            found = layout.events_range(key)
            if found is not None and found[1] >= first and found[0] < size:
                yield key

    done = 0
    with ThreadPoolExecutor(_READERS) as pool:
        keys = wanted()
        while page := list(islice(keys, _PAGE)):
            for found in pool.map(lambda key: _bundle(vault, key, origin), page):
                spool.add(row for row in found if first <= row[0] < size)
                done += len(found)
            if on_progress is not None:
                on_progress("events", min(done, size - first), size - first)


def _bundle(vault: Vault, key: str, origin: str) -> list[tuple[int, bytes, bytes]]:
    """Return the events of one bundle. Raises LedgerForeignError for what is none of this log."""
    try:
        value = json.loads(reading.read(vault, key))
        if (value["schema"], value["origin"]) != (SCHEMA, origin):
            return []  # of another log, which may share the vault
        return [
            (int(item["sequence"]), item["body"].encode("utf-8"), base64.b64decode(item["salt"]))
            for item in value["events"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerForeignError(key=key, problem=str(error)[:200]) from error
