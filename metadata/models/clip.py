"""Clips, their tags, and the objects that hold their bytes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base, hex_digest, one_of
from metadata.states import ClipState


class StoredKind(StrEnum):
    """What a stored version holds."""

    ORIGINAL = "original"
    MANIFEST = "manifest"
    SEAL = "seal"
    TIMESTAMPED_SEAL = "timestamped-seal"
    INVENTORY = "inventory"
    CLOSE = "close"
    DOCKING_SEAL = "docking-seal"
    DERIVED = "derived"
    EVENTS = "events"
    LEDGER = "ledger"
    """A tile, an entry bundle, a checkpoint or a cosignature."""


LEDGER_KINDS = frozenset({StoredKind.EVENTS, StoredKind.LEDGER})
"""What the ledger itself is published as; no event tells of it, or publishing would never end."""


class StoredObject(Base):
    """Bytes in the vault, one row per SHA-256. Many clips may share an object."""

    __tablename__ = "object"
    __table_args__ = (hex_digest("sha256"), hex_digest("chunk_root"))

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    other_digests: Mapped[list[Any]]
    """Further digests as ``algorithm:hex``."""
    chunk_size: Mapped[int]
    chunk_root: Mapped[str]
    chunk_leaves: Mapped[bytes] = mapped_column(LargeBinary)
    """Concatenated SHA-256 of every chunk, 32 bytes each."""
    created_at: Mapped[datetime]


class Clip(Base):
    """One media file of one recorder, exactly as the recorder wrote it."""

    __tablename__ = "clip"
    __table_args__ = (
        one_of("state", ClipState),
        hex_digest("manifest_sha256"),
        Index("ix_clip_recorder_path", "recorder_id", "path_bytes"),
        Index("ix_clip_state_created", "state", "created_at"),
        Index("ix_clip_officer_start", "officer_id", "recorded_start"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    recorder_id: Mapped[str] = mapped_column(ForeignKey("recorder.id"))
    docking_id: Mapped[str] = mapped_column(ForeignKey("docking.id"), index=True)
    """The docking that last worked on the clip; its first sighting stands in ``sighting``."""
    name: Mapped[str]
    """Last part of the path, readable (bytes that are not UTF-8 are escaped)."""
    path: Mapped[str]
    path_bytes: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str] = mapped_column(String(16))
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None]
    resume_state: Mapped[str | None] = mapped_column(String(20))
    """Where a waiting clip goes on."""
    sha256: Mapped[str | None] = mapped_column(ForeignKey("object.sha256"), index=True)
    read_back: Mapped[str | None] = mapped_column(String(8))
    condition: Mapped[str | None] = mapped_column(String(16))
    probe: Mapped[dict[str, Any] | None]
    officer_id: Mapped[str | None] = mapped_column(ForeignKey("officer.id"))
    officer_source: Mapped[str | None] = mapped_column(String(16))
    recorded_start: Mapped[datetime | None]
    recorded_end: Mapped[datetime | None]
    time_source: Mapped[str] = mapped_column(String(16))
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    important: Mapped[bool] = mapped_column(default=False)
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    """The current seal."""
    retain_until: Mapped[datetime | None]
    """The legal date; null with ``permanent``, or before the clip is sealed."""
    permanent: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Tag(Base):
    """A category that somebody gave a clip. Append-only."""

    __tablename__ = "tag"
    __table_args__ = (UniqueConstraint("clip_id", "category"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clip.id"))
    category: Mapped[str] = mapped_column(String(64), index=True)
    actor: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class StoredVersion(Base):
    """An exact version in a vault, with the lock that was read back from it."""

    __tablename__ = "stored_version"
    __table_args__ = (
        UniqueConstraint("vault", "key", "version"),
        hex_digest("sha256"),
        one_of("kind", StoredKind),
        Index("ix_stored_version_due", "vault", "lock_until", "id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    vault: Mapped[str]
    key: Mapped[str]
    version: Mapped[str]
    kind: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    lock_mode: Mapped[str] = mapped_column(String(12))
    lock_until: Mapped[datetime | None]
    held: Mapped[bool] = mapped_column(default=False)
    """The vault said that a legal hold lies on it."""
    confirmation: Mapped[str | None] = mapped_column(String(10))
    """``checksum`` or ``full``: how its bytes were compared; it counts once there is ``confirmed_at``."""
    confirmed_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None] = mapped_column(index=True)
    """When an integrity run last asked for presence and lock."""
    verified_at: Mapped[datetime | None] = mapped_column(index=True)
    """When one last read and hashed it, or a part of it (levels sample and full)."""
    lost_at: Mapped[datetime | None]
    """When the vault was found not to hold it any more, while it held another one with the same bytes."""
    created_at: Mapped[datetime]
