"""Cases, their time windows, links between clips and cases, and links that a person must decide."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base


class Case(Base):
    """An enforcement case with its number."""

    __tablename__ = "enforcement_case"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    number: Mapped[str] = mapped_column(String(128), unique=True)
    """Normalised form; the form it was typed in stands in ``number_as_written``."""
    number_as_written: Mapped[str]
    title: Mapped[str | None]
    created_at: Mapped[datetime]
    actor: Mapped[dict[str, Any]]


class CaseWindow(Base):
    """An officer worked on a case from one time to another."""

    __tablename__ = "case_window"
    __table_args__ = (UniqueConstraint("case_id", "officer_id", "starts_at", "ends_at"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("enforcement_case.id"))
    officer_id: Mapped[str] = mapped_column(ForeignKey("officer.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class Link(Base):
    """A clip belongs to a case. A wrong link is ended, never erased."""

    __tablename__ = "link"
    __table_args__ = (
        Index(
            "uq_link_current",
            "clip_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"))
    case_id: Mapped[str] = mapped_column(ForeignKey("enforcement_case.id"), index=True)
    method: Mapped[str] = mapped_column(String(8))
    """``auto`` (officer and time) or ``manual``."""
    actor: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LinkCandidate(Base):
    """A case that an unlinked clip might belong to, among several: the work list."""

    __tablename__ = "link_candidate"

    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("enforcement_case.id"), primary_key=True)
    found_at: Mapped[datetime]
