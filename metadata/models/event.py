"""Custody events: who did what to which clip, when, why. Append-only, shaped as log entries."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base


class CustodyEvent(Base):
    """One event, its canonical bytes, its salt and its leaf hash (design, section 7)."""

    __tablename__ = "custody_event"
    __table_args__ = (UniqueConstraint("subject", "kind", "attempt"),)

    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    """From 0, without gaps: the index of the leaf."""
    kind: Mapped[str] = mapped_column(String(32), index=True)
    subject: Mapped[str] = mapped_column(String(64))
    """The clip's id, or what the event is about when it is of no clip; never null, so the key is unique."""
    attempt: Mapped[str] = mapped_column(String(64))
    clip_id: Mapped[str | None] = mapped_column(ForeignKey("clip.id"), index=True)
    docking_id: Mapped[str | None] = mapped_column(ForeignKey("docking.id"), index=True)
    at: Mapped[datetime]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary)
