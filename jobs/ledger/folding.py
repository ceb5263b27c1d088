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
        self._rows: dict[tuple[str, str], tuple[int, Image | None]] = {}
        self._kept = kept
        self._folder = folder
        self._file: sqlite3.Connection | None = None
        self._place: tempfile.TemporaryDirectory[str] | None = None

    def add(self, sequence: int, event: Mapping[str, Any]) -> None:
        """Take an event's rows in. Raises ValueError for one that no software of ours wrote."""
        for table, columns in event.get("rows", ()):
            shape = self._shapes.get(table)
            if shape is None:
                raise ValueError(f"event {sequence} tells of rows of {table}")
            try:
                place = table, _spelled(shape.key, columns)
            except KeyError as error:
                raise ValueError(f"event {sequence} tells of a row without its key") from error
            before = self._rows.get(place)
            if before is None and self._file is not None:
                before = self._fetch(place)
            image = columns if before is None or before[1] is None else {**before[1], **columns}
            self._rows[place] = sequence, image
        for table, key in event.get("gone", ()):
            shape = self._shapes.get(table)
            if shape is None:
                raise ValueError(f"event {sequence} tells of rows of {table}")
            self._rows[table, _spelled(shape.key, key)] = sequence, None
        if len(self._rows) > self._kept:
            self._spill()

    def take(self, table: str, image: Image) -> Expected | None:
        """Return what the row with this image's key must be, and forget it; None for one that must not be."""
        place = table, _spelled(self._shapes[table].key, image)
        found = self._rows.pop(place, None)
        if self._file is not None:
            kept = self._fetch(place)
            found = found or kept
            if kept is not None:
                self._file.execute("DELETE FROM row WHERE tbl = ? AND key = ?", place)
        return None if found is None or found[1] is None else Expected(found[0], found[1])

    def rows(self, table: str) -> Iterator[Expected]:
        """Yield the rows of a table that were not taken."""
        for (name, _), (sequence, image) in list(self._rows.items()):
            if name == table and image is not None:
                yield Expected(sequence, image)
        if self._file is not None:
            query = "SELECT key, sequence, image FROM row WHERE tbl = ? ORDER BY key"
            for key, sequence, image in self._file.execute(query, (table,)):
                if (table, key) not in self._rows and image is not None:
                    yield Expected(sequence, json.loads(image))

    def gone(self, table: str) -> Iterator[list[str]]:
        """Yield the primary keys of a table's rows that went, their columns as text."""
        for (name, key), (_, image) in list(self._rows.items()):
            if name == table and image is None:
                yield key.split("\0")
        if self._file is not None:
            query = "SELECT key FROM row WHERE tbl = ? AND image IS NULL ORDER BY key"
            for (key,) in self._file.execute(query, (table,)):
                if (table, key) not in self._rows:
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

    def _fetch(self, place: tuple[str, str]) -> tuple[int, Image | None] | None:
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
                for (table, key), (sequence, image) in self._rows.items()
            ),
        )
        self._file.execute("COMMIT")
        self._rows.clear()


def _spelled(names: tuple[str, ...], columns: Mapping[str, Any]) -> str:
    if len(names) == 1:
        return str(columns[names[0]])
    return "\0".join(str(columns[name]) for name in names)
