"""Integrity runs, their results, alerts, and what was derived from clips."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base, hex_digest


class IntegrityRun(Base):
    """One run of ``verify``."""

    __tablename__ = "integrity_run"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    level: Mapped[str] = mapped_column(String(8))
    actor: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    checked: Mapped[int]
    failed: Mapped[int]


class IntegrityResult(Base):
    """What one run found of one clip. Append-only."""

    __tablename__ = "integrity_result"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("integrity_run.id"), index=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    problem: Mapped[str | None]
    bytes_read: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]


class Alert(Base):
    """Something a person must look at."""

    __tablename__ = "alert"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), index=True)
    clip_id: Mapped[str | None] = mapped_column(ForeignKey("clip.id"), index=True)
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """When its cause had gone by itself; null for what only a person can judge."""


class AlertAcknowledgement(Base):
    """Somebody has looked at an alert, and says what came of it. Append-only; once for each alert."""

    __tablename__ = "alert_acknowledgement"
    __table_args__ = (UniqueConstraint("alert_id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alert.id"))
    actor: Mapped[dict[str, Any]]
    note: Mapped[str]
    at: Mapped[datetime]


class Derivative(Base):
    """What was made from a clip after it was safe: poster frame and picture findings."""

    __tablename__ = "derivative"
    __table_args__ = (hex_digest("poster_sha256"),)

    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), primary_key=True)
    poster_sha256: Mapped[str | None] = mapped_column(String(64))
    black_share: Mapped[float | None]
    frozen_share: Mapped[float | None]
    sampled_frames: Mapped[int]
    problem: Mapped[str | None]
    at: Mapped[datetime]
