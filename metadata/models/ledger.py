"""The Merkle log over the custody events: inner nodes, signed checkpoints, who cosigned them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from metadata.models.base import Base


class LedgerNode(Base):
    """The root of a complete subtree of 256^level leaves. Append-only; leaves stand in ``custody_event``."""

    __tablename__ = "ledger_node"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1."""
    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    """Index within its level, from 0."""
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerCheckpoint(Base):
    """A checkpoint that this register's log signed: a promise that is not taken back. Append-only."""

    __tablename__ = "ledger_checkpoint"

    size: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    note: Mapped[bytes] = mapped_column(LargeBinary)
    """The C2SP signed note."""
    at: Mapped[datetime]


class LedgerCosignature(Base):
    """A witness saw a checkpoint and found it consistent with all it had seen before. Append-only."""

    __tablename__ = "ledger_cosignature"

    size: Mapped[int] = mapped_column(ForeignKey("ledger_checkpoint.size"), primary_key=True)
    witness: Mapped[str] = mapped_column(String(256), primary_key=True)
    """The witness's verifier key."""
    line: Mapped[str]
    """The signature line of the note."""
    at: Mapped[datetime]


class LedgerStanding(Base):
    """What was last found when the log was compared with what somebody else holds of it."""

    __tablename__ = "ledger_standing"

    holder: Mapped[str] = mapped_column(String(256), primary_key=True)
    """``main`` or ``second`` for the vaults, else the witness's name."""
    asked_at: Mapped[datetime]
    """When it was last asked."""
    answered_at: Mapped[datetime | None]
    """When it last answered, and what it holds was found to be in this log."""
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    """Of the newest checkpoint that it then held."""
    published: Mapped[int] = mapped_column(BigInteger, default=0)
    """Leaves of the log that were brought to it."""
    problem: Mapped[str | None]
    """Why it did not answer the last time."""
