"""What is known of one docking, frozen: what was signed, and what register and log say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from metadata.documents import CloseOut, Inventory
from metadata.numbering import Numbered


@dataclass(frozen=True, slots=True)
class Noted:
    """A docking as the register notes it, without its documents. Digests are plain hexadecimal SHA-256."""

    id: str
    station: str
    recorder: str
    at: datetime
    plausible: bool
    closed_at: datetime | None
    inventory: str
    close: str | None
    superseded: bool
    """The register says that a later docking names this one."""
    card: str
    """What the volume is told from others by."""
    lasting: bool
    """Another card at the same place would have another identity."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A signed document: the digests of its bytes as noted, as found, and as the log of events has it."""

    noted: str
    found: str
    logged: str | None
    seal: str | None = None
    """Why its seal does not hold; None if it does, or was not looked at."""
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A clip that a docking saw, as the register has it now."""

    clip: str
    path: bytes
    state: str
    safe: bool
    sha256: str | None
    new: bool
    """This docking was the first to see it."""
    latest: bool
    """This docking is the last that worked on it."""
    cleared: bool
    """This docking removed it from the card."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the name of a file says: its number, and when it was begun (aware, by the recorder's clock)."""

    numbered: Numbered | None
    start: datetime | None


@dataclass(frozen=True, slots=True)
class Stay:
    """One docking of a recorder with all that can be held against it."""

    noted: Noted
    inventory_paper: Paper
    inventory: Inventory | None
    """None if its bytes cannot be read."""
    close_paper: Paper | None = None
    close: CloseOut | None = None
    rows: Mapping[int, Row] = field(default_factory=dict)
    """By index in the inventory."""
    claims: Mapping[bytes, Claim] = field(default_factory=dict)
    """By path."""
    under_way: bool = False
    """A process works on it, or may."""
    close_logged: bool = False
    """The log of events says that it was closed."""
