"""What all tables share: naming of constraints, column types, digest checks."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, CheckConstraint, MetaData
from sqlalchemy.orm import DeclarativeBase

from metadata.columns import UtcTime

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of the register. No relationship cascades: rows are never deleted."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


def hex_digest(column: str) -> CheckConstraint:
    """Return the check that ``column`` holds 64 lower-case hexadecimal digits, or null."""
    # ltrim with a set of characters is spelled alike in SQLite and PostgreSQL
    return CheckConstraint(
        f"length({column}) = 64 AND ltrim({column}, '0123456789abcdef') = ''", name=f"{column}_hex"
    )


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return the check that ``column`` holds a value of the given enumeration."""
    allowed = ", ".join(f"'{member.value}'" for member in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")
