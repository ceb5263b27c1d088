"""Dockings, what was seen in them, and how far they are."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base, hex_digest, one_of


class Outcome(StrEnum):
    """What a docking did with one sighting."""

    TO_READ = "to-read"
    TO_REREAD = "to-reread"
    READ = "read"
    NOT_READ_AGAIN = "not-read-again"
    REREAD_SAME = "reread-same"
    NOT_SAFE = "not-safe"


class Docking(Base):
    """One stay of one recorder in one station. Inventory and close-out stand here as signed bytes."""

    __tablename__ = "docking"
    __table_args__ = (hex_digest("inventory_digest"), hex_digest("close_digest"))

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    station_id: Mapped[str] = mapped_column(ForeignKey("station.id"))
    recorder_id: Mapped[str] = mapped_column(ForeignKey("recorder.id"), index=True)
    source: Mapped[str]
    volume: Mapped[dict[str, Any]]
    operator: Mapped[dict[str, Any]]
    claimed_officer: Mapped[str | None] = mapped_column(ForeignKey("officer.id"))
    clock: Mapped[dict[str, Any]]
    clock_plausible: Mapped[bool]
    started_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    inventory: Mapped[bytes] = mapped_column(LargeBinary)
    inventory_digest: Mapped[str]
    inventory_seal: Mapped[bytes] = mapped_column(LargeBinary)
    close: Mapped[bytes | None] = mapped_column(LargeBinary)
    close_digest: Mapped[str | None]
    close_seal: Mapped[bytes | None] = mapped_column(LargeBinary)
    superseded: Mapped[bool] = mapped_column(default=False)
    """A later docking of the recorder names this one as ``previous``."""


class Sighting(Base):
    """A clip seen in a docking."""

    __tablename__ = "sighting"
    __table_args__ = (UniqueConstraint("docking_id", "position"), one_of("outcome", Outcome))

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    docking_id: Mapped[str] = mapped_column(ForeignKey("docking.id"))
    position: Mapped[int]
    """Index in the inventory, from 0."""
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str]
    problem: Mapped[str | None] = mapped_column(String(200))
    """Why a clip that the register calls safe was found not to be (outcome ``not-safe``)."""


class Progress(Base):
    """Bytes a docking has copied; a display reads it, nothing depends on it."""

    __tablename__ = "progress"

    docking_id: Mapped[str] = mapped_column(ForeignKey("docking.id"), primary_key=True)
    bytes_total: Mapped[int] = mapped_column(BigInteger)
    bytes_done: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]
