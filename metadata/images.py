"""Row images: how the rows of the register stand in custody events, and are read out of them again.

An event carries the rows that were written with it: a new one whole, of another one what changed
(docs/formats.md). So the register can be compared with its ledger row by row, and made anew from the
events alone. What an image leaves out is either kept in the vault under a digest that the image names, or
says only what a vault answered when it was last asked.
"""

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Double, Float, LargeBinary, Table
from sqlalchemy.types import TypeDecorator

from hashing import canonical
from metadata.models import LEDGER_KINDS, Base

UNLOGGED = frozenset(
    {
        "alert",  # findings, which their own runs log
        "alert_acknowledgement",  # the event says all of it
        "custody_event",
        "integrity_result",  # the run's event holds the root over them
        "ledger_checkpoint",
        "ledger_cosignature",
        "ledger_node",
        "ledger_standing",
        "progress",  # a display reads it, nothing depends on it
    }
)
"""Tables whose rows stand in no event."""

LEFT_OUT: Mapping[str, frozenset[str]] = {
    # Documents, which the vault has; the digests that name them stay.
    "docking": frozenset({"inventory", "inventory_seal", "close", "close_seal"}),
    "seal": frozenset({"manifest"}),
    # What the vault answered: it is asked again, not believed.
    "stored_version": frozenset({"lock_mode", "lock_until", "held", "checked_at", "verified_at"}),
}
"""Columns that images do not have, by table."""

DIGESTED: Mapping[str, frozenset[str]] = {
    "clip": frozenset({"probe"}),
    "seal": frozenset({"signature"}),
    "seal_timestamp": frozenset({"signature"}),
}
"""Columns of which images have the SHA-256 (of canonical JSON, or of the bytes): the vault has the rest."""

Image = dict[str, Any]
"""A row as JSON holds it: its columns by name."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    spell: Callable[[Any], Any] | None
    """Makes of a value what JSON holds; None where it is that already."""
    read: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of one table stand in events."""

    table: str
    key: tuple[str, ...]
    """Columns of the primary key."""
    columns: frozenset[str]
    """Columns whose change has to be logged."""
    fields: tuple[_Field, ...]

    def is_logged(self, row: Any) -> bool:
        """Tell whether changes of this row stand in events."""
        return self.table != "stored_version" or row.kind not in LEDGER_KINDS

    def image(self, row: Any, columns: Collection[str] | None = None) -> Image:
        """Return the image of a row that has the columns as attributes: whole, or its key and some columns.

        A column that ``row`` does not have is null.
        """
        found: Image = {}
        for field in self.fields:
            if columns is None or field.name in columns or field.name in self.key:
                value = getattr(row, field.name, None)
                found[field.name] = value if value is None or field.spell is None else field.spell(value)
        return found

    def image_of(self, values: Iterable[Any]) -> Image:
        """Return the image of a whole row from the values of its columns, in the order of ``fields``."""
        return {
            field.name: value if value is None or field.spell is None else field.spell(value)
            for field, value in zip(self.fields, values, strict=False)
        }

    def key_of(self, image: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the primary key that an image names."""
        return tuple(image[name] for name in self.key)

    def values(self, image: Mapping[str, Any]) -> dict[str, Any]:
        """Return an image's columns as the database takes them; those that are digested are left out.

        Raises TypeError or ValueError for what is no image of this table.
        """
        digested = DIGESTED.get(self.table, frozenset())
        return {
            field.name: value
            if (value := image[field.name]) is None or field.read is None
            else field.read(value)
            for field in self.fields
            if field.name in image and field.name not in digested
        }


@cache
def shapes() -> Mapping[str, Shape]:
    """Return the shapes of all tables whose rows are logged, in an order in which they can be filled."""
    return {table.name: _shape(table) for table in Base.metadata.sorted_tables if table.name not in UNLOGGED}


def _shape(table: Table) -> Shape:
    left_out = LEFT_OUT.get(table.name, frozenset())
    digested = DIGESTED.get(table.name, frozenset())
    columns = [column for column in table.columns if column.name not in left_out]
    return Shape(
        table.name,
        tuple(column.name for column in table.primary_key.columns),
        frozenset(column.name for column in columns),
        tuple(_field(column, digested=column.name in digested) for column in columns),
    )


def _field(column: Column[Any], *, digested: bool) -> _Field:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    name = column.name
    if digested:
        return _Field(name, _digest, None)
    if isinstance(kind, LargeBinary):
        return _Field(name, _base64, base64.b64decode)
    if isinstance(kind, DateTime):
        return _Field(name, canonical.time, _time)
    if isinstance(kind, BigInteger):
        return _Field(name, canonical.integer, int)
    if isinstance(kind, Float | Double):
        return _Field(name, None, float)
    return _Field(name, None, None)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _digest(value: Any) -> str:
    data = value if isinstance(value, bytes) else canonical.encode(value)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _time(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(f"naive time refused: {value!r}")
    return found
