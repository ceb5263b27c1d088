"""What the rows of the register must be, out of the events alone.

Events are folded in their order: each row as its last event leaves it, with the number of that event. Memory
stays flat: beyond some hundred thousand rows they go to a temporary file.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from metadata.images import Image, shapes

_KEPT = 200_000


class Expected(NamedTuple):
    """A row as its events leave it, and the number of the last of them."""

    sequence: int
    image: Image


class Fold(AbstractContextManager["Fold"]):
    """The rows that events tell of, by table and primary key."""

    def __init__(self, folder: Path | None = None, *, kept: int = _KEPT) -> None:
        self._shapes = shapes()
        self._rows: dict[str, dict[str, tuple[int, Image | None]]] = {name: {} for name in self._shapes}
        self._count = 0
        self._kept = kept
        self._folder = folder
        self._file: sqlite3.Connection | None = None
        self._place: tempfile.TemporaryDirectory[str] | None = None

    def add(self, sequence: int, event: Mapping[str, Any]) -> None:
        """Take an event's rows in. Raises ValueError for one that no software of ours wrote."""
        try:
            for table, columns in event.get("rows", ()):
                rows, key = self._rows[table], _spelled(self._shapes[table].key, columns)
                before = rows.get(key)
                if before is None:
                    before = None if self._file is None else self._fetch(table, key)
                    self._count += 1
                known = None if before is None else before[1]
                rows[key] = sequence, columns if known is None else {**known, **columns}
            for table, columns in event.get("gone", ()):
                self._rows[table][_spelled(self._shapes[table].key, columns)] = sequence, None
                self._count += 1
        except KeyError as error:
            raise ValueError(f"event {sequence} tells of no row that there can be: {error}") from error
        if self._count > self._kept:
            self._spill()

    def take(self, table: str, image: Image) -> Expected | None:
        """Return what the row with this image's key must be, and forget it; None for one that must not be."""
        key = _spelled(self._shapes[table].key, image)
        found = self._rows[table].pop(key, None)
        if self._file is not None:
            kept = self._fetch(table, key)
            found = found or kept
            if kept is not None:
                self._file.execute("DELETE FROM row WHERE tbl = ? AND key = ?", (table, key))
        return None if found is None or found[1] is None else Expected(found[0], found[1])

    def rows(self, table: str) -> Iterator[Expected]:
        """Yield the rows of a table that were not taken."""
        here = self._rows[table]
        for sequence, image in list(here.values()):
            if image is not None:
                yield Expected(sequence, image)
        if self._file is not None:
            query = "SELECT key, sequence, image FROM row WHERE tbl = ? ORDER BY key"
            for key, sequence, image in self._file.execute(query, (table,)):
                if key not in here and image is not None:
                    yield Expected(sequence, json.loads(image))

    def gone(self, table: str) -> Iterator[list[str]]:
        """Yield the primary keys of a table's rows that went, their columns as text."""
        here = self._rows[table]
        for key, (_, image) in list(here.items()):
            if image is None:
                yield key.split("\0")
        if self._file is not None:
            query = "SELECT key FROM row WHERE tbl = ? AND image IS NULL ORDER BY key"
            for (key,) in self._file.execute(query, (table,)):
                if key not in here:
                    yield key.split("\0")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            self._file.close()
        if self._place is not None:
            self._place.cleanup()

    def __enter__(self) -> Self:
        """Nothing is made before it is needed."""
        return self

    def _fetch(self, *place: str) -> tuple[int, Image | None] | None:
        if self._file is None:
            return None
        query = "SELECT sequence, image FROM row WHERE tbl = ? AND key = ?"
        found = self._file.execute(query, place).fetchone()
        return None if found is None else (found[0], None if found[1] is None else json.loads(found[1]))

    def _spill(self) -> None:
        if self._file is None:
            self._place = tempfile.TemporaryDirectory(prefix="sealdock-", dir=self._folder)
            # It is thrown away afterwards, so nothing waits for the disk.
            self._file = sqlite3.connect(
                Path(self._place.name) / "rows.db", isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode=OFF")
            self._file.execute("PRAGMA synchronous=OFF")
            self._file.execute(
                "CREATE TABLE row (tbl TEXT, key TEXT, sequence INTEGER, image TEXT, PRIMARY KEY (tbl, key))"
                " WITHOUT ROWID"
            )
        self._file.execute("BEGIN")
        self._file.executemany(
            "INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?)",
            (
                (table, key, sequence, None if image is None else json.dumps(image))
                for table, rows in self._rows.items()
                for key, (sequence, image) in rows.items()
            ),
        )
        self._file.execute("COMMIT")
        for rows in self._rows.values():
            rows.clear()
        self._count = 0


def _spelled(names: tuple[str, ...], columns: Mapping[str, Any]) -> str:
    if len(names) == 1:
        return str(columns[names[0]])
    return "\0".join(str(columns[name]) for name in names)
