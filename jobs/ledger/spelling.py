"""Whether SQLite holds values as they are written here: it takes any spelling, and its comparisons see it.

A time with a ``T`` in it reads as the same time and sorts elsewhere: a clip would not be found any more.
Other databases have types.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

_TIME = len("2026-01-01 00:00:00.000000")
_BLANK, _POINT = len("2026-01-01 "), len("2026-01-01 00:00:00.")


def usual(session: Session, table: Table) -> ColumnElement[bool] | None:
    """Return the condition that all values of a row are spelled as usual; None where types see to it."""
    if session.get_bind().dialect.name != "sqlite":
        return None
    return and_(*(_usual(column) for column in table.columns))


def odd(session: Session, table: Table) -> Iterator[tuple[tuple[Any, ...], tuple[str, ...]]]:
    """Yield the primary key of each row that is not, as text, and its columns that are not."""
    condition = usual(session, table)
    if condition is None:
        return
    keys = [type_coerce(column, String) for column in table.primary_key.columns]
    columns = list(table.columns)
    query = select(*keys, *(_usual(column) for column in columns)).where(~condition)
    for row in session.connection().execute(query):
        told = zip(columns, row[len(keys) :], strict=True)
        yield tuple(row[: len(keys)]), tuple(column.name for column, fine in told if not fine)


def _usual(column: Column[Any]) -> ColumnElement[bool]:
    raw = type_coerce(column, String)
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    stored = func.typeof(raw)
    if isinstance(kind, DateTime):
        # Quicker than a pattern: a time that SQLite reads, of this length, with blank, point and digits.
        fine = and_(
            stored == "text",
            func.length(raw) == _TIME,
            func.substr(raw, _BLANK, 1) == " ",
            func.rtrim(raw, "0123456789") == func.substr(raw, 1, _POINT),
            func.julianday(raw).is_not(None),
        )
    elif isinstance(kind, Boolean):
        fine = and_(stored == "integer", raw.in_([0, 1]))
    elif isinstance(kind, Integer):
        fine = stored == "integer"
    elif isinstance(kind, Float):
        fine = stored.in_(["real", "integer"])
    elif isinstance(kind, LargeBinary):
        fine = stored == "blob"
    elif isinstance(kind, JSON):
        fine = and_(stored == "text", func.json_valid(raw) == 1)
    else:
        fine = stored == "text"
    return or_(raw.is_(None), fine) if column.nullable else fine
