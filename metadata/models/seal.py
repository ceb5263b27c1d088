"""Seals, their later timestamps, and the keys that made them. Append-only but for retirement."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base, hex_digest


class Seal(Base):
    """A manifest and the signature over it."""

    __tablename__ = "seal"
    __table_args__ = (hex_digest("manifest_sha256"), hex_digest("key_id"))

    manifest_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"), index=True)
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(ForeignKey("signing_key.id"))
    timestamp_wanted: Mapped[bool]
    """An authority was configured when the clip was sealed."""
    created_at: Mapped[datetime]


class SealTimestamp(Base):
    """The same signature with its trusted timestamp; its absence means *timestamp pending*."""

    __tablename__ = "seal_timestamp"

    manifest_sha256: Mapped[str] = mapped_column(ForeignKey("seal.manifest_sha256"), primary_key=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    authority: Mapped[str]
    time: Mapped[datetime]
    stored: Mapped[bool] = mapped_column(default=False)
    """Its vault object has been confirmed."""


class SigningKey(Base):
    """A key that signs or signed seals of a station; old ones stay, so old seals stay valid."""

    __tablename__ = "signing_key"
    __table_args__ = (hex_digest("id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the SubjectPublicKeyInfo."""
    station_id: Mapped[str] = mapped_column(ForeignKey("station.id"))
    purpose: Mapped[str] = mapped_column(String(16))
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    """DER."""
    chain: Mapped[bytes] = mapped_column(LargeBinary)
    """PEM of the issuing certificates, the root last."""
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
