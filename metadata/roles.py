"""What the application's role may do in a PostgreSQL register that another role owns (decision 11).

It reads and adds everywhere. Beyond that it gets what is listed here and nothing else: no table of
its own, so no trigger that it could drop, and no right to TRUNCATE.
"""

from dataclasses import dataclass

from sqlalchemy import text

from metadata.models import Base
from metadata.register import Register

CHANGES: dict[str, tuple[str, ...]] = {
    "alert": ("ended_at",),
    "assignment": ("ends_at",),
    "clip": (
        "docking_id", "size", "mtime_ns", "state", "reason", "resume_state", "sha256", "read_back",
        "condition", "probe", "officer_id", "officer_source", "recorded_start", "recorded_end",
        "time_source", "sequence", "important", "manifest_sha256", "retain_until", "permanent",
    ),
    "docking": ("inventory_seal", "closed_at", "close", "close_digest", "close_seal", "superseded"),
    "hold": ("ended_at",),
    "integrity_run": ("ended_at", "checked", "failed"),
    "ledger_standing": ("asked_at", "answered_at", "size", "published", "problem"),
    "link": ("ended_at",),
    "progress": ("bytes_total", "bytes_done", "updated_at"),
    "recorder": ("accepted",),
    "seal_timestamp": ("stored",),
    "sighting": ("outcome", "clip_id", "problem"),
    "signing_key": ("retired_at",),
    "stored_version": (
        "lock_mode", "lock_until", "held", "confirmation", "confirmed_at", "checked_at", "verified_at",
        "lost_at",
    ),
}  # fmt: skip
"""Columns that change, by table. What a clip is called and whose it is stays as it was first seen."""

EMPTIED = ("link_candidate",)
"""Work lists: what is on them goes when it is done."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who works in a register: ``role`` (None in an SQLite file), and whether it owns the tables."""

    role: str | None
    owns_tables: bool


def ownership(register: Register) -> Ownership:
    """Return the role that a register is used with. Whoever can write an SQLite file owns what is in it."""
    if register.engine != "postgresql":
        return Ownership(None, owns_tables=True)
    # A member of the owning role, and a superuser, can do what the owner can.
    query = text(
        "SELECT current_user, coalesce(bool_or(pg_has_role(relowner, 'MEMBER')), false) FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    )
    with register.read() as session:
        role, owns = session.execute(query).one()
    return Ownership(str(role), bool(owns))


def role_of(register: Register) -> str:
    """Return the name of the PostgreSQL role that a register is used with."""
    with register.read() as session:
        return str(session.scalar(text("SELECT current_user")))


def grant(owned: Register, role: str) -> None:
    """Give ``role`` the rights of the application, and take what else it had; safe to repeat."""
    with owned.connection() as connection:
        quote = connection.dialect.identifier_preparer.quote
        schema = quote(str(connection.scalar(text("SELECT current_schema()"))))
        to = quote(role)
        statements = [
            f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",  # PostgreSQL 14 and older grant it
            f"GRANT USAGE ON SCHEMA {schema} TO {to}",
            f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {to}",
            f"GRANT SELECT ON alembic_version TO {to}",
        ]
        for table in sorted(Base.metadata.tables):
            rights = ["SELECT", "INSERT"]
            if table in CHANGES:
                rights.append(f"UPDATE ({', '.join(map(quote, CHANGES[table]))})")
            if table in EMPTIED:
                rights.append("DELETE")
            statements.append(f"GRANT {', '.join(rights)} ON {quote(table)} TO {to}")
        for statement in statements:
            connection.exec_driver_sql(statement)
