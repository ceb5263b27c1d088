"""Legal holds: what must not go, whatever its retention says."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base

_CURRENT = text("ended_at IS NULL AND case_id IS NULL")
_CURRENT_FOR_CASE = text("ended_at IS NULL AND case_id IS NOT NULL")


class Hold(Base):
    """A clip must be kept, for a case or for no case in particular. A hold that was lifted stays as a row.

    A clip may be held for several cases at once, and once for none.
    """

    __tablename__ = "hold"
    __table_args__ = (
        Index(
            "uq_hold_current",
            "clip_id",
            unique=True,
            sqlite_where=_CURRENT,
            postgresql_where=_CURRENT,
        ),
        Index(
            "uq_hold_current_case",
            "clip_id",
            "case_id",
            unique=True,
            sqlite_where=_CURRENT_FOR_CASE,
            postgresql_where=_CURRENT_FOR_CASE,
        ),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    case_id: Mapped[str | None] = mapped_column(ForeignKey("enforcement_case.id"), index=True)
    reason: Mapped[str] = mapped_column(String(1000))
    actor: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
