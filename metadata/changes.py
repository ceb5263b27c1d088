"""What a transaction has changed in the register and not logged yet.

The session of a writing transaction notes every row of a logged table that it flushes. The next event takes
the notes along; what is left at the end gets an event of its own. So no row changes without the ledger.
"""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import Session, UOWTransaction

from metadata.images import Shape, shapes


class WritingSession(Session):
    """A session that keeps note of the rows it writes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unlogged: dict[tuple[str, tuple[Any, ...]], _Change] = {}
        self.next_sequence: int | None = None
        """Of the next event; nobody else appends while this transaction holds the write lock."""

    def note(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note rows that were added past the unit of work: all their columns, by name."""
        shape = shapes()[table]
        for row in rows:
            self._unlogged[table, shape.key_of(row)] = _Change(SimpleNamespace(**row), None)

    def take_changes(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """Return what was written since the last call, as events hold it, and forget it.

        The first list has ``[table, columns]`` of each row: all columns of one that was added, of another one
        its primary key and what changed. The second has ``[table, primary key]`` of each that went.
        """
        rows: list[list[Any]] = []
        gone: list[list[Any]] = []
        found = shapes()
        for (table, key), change in self._unlogged.items():
            if change.row is None:
                gone.append([table, dict(zip(found[table].key, key, strict=True))])
            else:
                rows.append([table, found[table].image(change.row, change.columns)])
        self._unlogged.clear()
        return rows, gone

    @property
    def has_changes(self) -> bool:
        """Tell whether something was written that no event holds yet."""
        return bool(self._unlogged)


class _Change(NamedTuple):
    row: Any
    """The row; None where it went."""
    columns: set[str] | None
    """What changed; None where the row was added."""


@event.listens_for(WritingSession, "after_flush")
def _note(session: WritingSession, _context: UOWTransaction) -> None:
    found = shapes()
    notes = session._unlogged  # noqa: SLF001 - the listener is the session's own
    for row in session.new:
        shape = found.get(row.__tablename__)
        if shape is not None and shape.is_logged(row):
            notes[shape.table, _key(shape, row)] = _Change(row, None)
    for row in session.dirty:
        shape = found.get(row.__tablename__)
        if shape is None or not shape.is_logged(row):
            continue
        columns: set[str] | None = _changed(shape, row)
        if columns:
            place = shape.table, _key(shape, row)
            before = notes.get(place)
            if before is not None:
                columns = None if before.columns is None else before.columns.union(columns)
            notes[place] = _Change(row, columns)
    for row in session.deleted:
        shape = found.get(row.__tablename__)
        if shape is not None:
            notes[shape.table, _key(shape, row)] = _Change(None, None)


def _changed(shape: Shape, row: Any) -> set[str]:
    before = row._sa_instance_state.committed_state  # noqa: SLF001 - its histories say the same, slower
    return {name for name in shape.columns.intersection(before) if before[name] != getattr(row, name)}


def _key(shape: Shape, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in shape.key)
