"""Stations, recorders, officers and who carried which recorder when."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base


class Station(Base):
    """A docking machine."""

    __tablename__ = "station"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime]


class Officer(Base):
    """A person who carries recorders, known by officer number."""

    __tablename__ = "officer"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str | None]
    created_at: Mapped[datetime]


class Recorder(Base):
    """A camera. Its identity is a claim read off a card (design, section 3)."""

    __tablename__ = "recorder"
    __table_args__ = (UniqueConstraint("identity"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    identity: Mapped[str]
    """``serial:…``, ``volume:…`` or ``folder:<station>:<device>:<inode>``."""
    serial: Mapped[str | None]
    profile: Mapped[str]
    claimed: Mapped[bool]
    accepted: Mapped[bool]
    """Somebody docked it by hand, or said that it belongs here; a station on its own takes no others."""
    first_seen: Mapped[datetime]


class Assignment(Base):
    """An officer carried a recorder from one time to another (no end: still does)."""

    __tablename__ = "assignment"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    recorder_id: Mapped[str] = mapped_column(ForeignKey("recorder.id"), index=True)
    officer_id: Mapped[str] = mapped_column(ForeignKey("officer.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
