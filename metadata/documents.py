"""What an inventory and a close-out say, read from their signed bytes (docs/formats.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hashing import canonical

INVENTORY, CLOSE = "sealdock.inventory/1", "sealdock.close/1"


@dataclass(frozen=True, slots=True)
class Named:
    """A docking as a later inventory names it; digests are plain hexadecimal, ``close`` None: not closed."""

    docking: str
    inventory: str
    close: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A file on the card."""

    path: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a card held at one docking, and what was known of it then."""

    docking: str
    station: str
    recorder: str
    at: datetime
    entries: tuple[Entry, ...]
    previous: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file; ``sha256`` is plain hexadecimal."""

    path: bytes
    clip: str
    state: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class CloseOut:
    """What became of every file, in the order of the inventory, whose digest is plain hexadecimal."""

    docking: str
    inventory: str
    at: datetime
    outcomes: tuple[FileOutcome, ...]


def read_inventory(data: bytes) -> Inventory:
    """Read an inventory. ValueError for bytes that are none.

    That they are the bytes that were signed is for their digest and seal to say, so it is not asked whether
    they are in canonical form: that takes ten times as long as reading them.
    """
    found = _document(data, INVENTORY)
    try:
        return Inventory(
            docking=str(found["docking"]),
            station=str(found["station"]),
            recorder=str(found["recorder"]["id"]),
            at=_time(found["clock"]["at"]),
            entries=tuple(
                Entry(canonical.name_bytes(item["path"]), int(item["size"]), int(item["mtime_ns"]))
                for item in found["entries"]
            ),
            previous=tuple(
                Named(str(item["docking"]), _hex(item["inventory"]), item["close"] and _hex(item["close"]))
                for item in found["previous"]
            ),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not an inventory: {error!r}") from error


def read_close(data: bytes) -> CloseOut:
    """Read a close-out, likewise."""
    found = _document(data, CLOSE)
    try:
        return CloseOut(
            docking=str(found["docking"]),
            inventory=_hex(found["inventory"]),
            at=_time(found["at"]),
            outcomes=tuple(
                FileOutcome(
                    path=canonical.name_bytes(item["path"]),
                    clip=str(item["clip"]),
                    state=str(item["state"]),
                    sha256=item["sha256"] and _hex(item["sha256"]),
                )
                for item in found["clips"]
            ),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a close-out: {error!r}") from error


def _document(data: bytes, schema: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise ValueError(f"not of schema {schema}")
    return found


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return at
