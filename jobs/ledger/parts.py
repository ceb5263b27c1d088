"""What the ledger is in a vault: event bundles, tiles, entries, checkpoints, cosignatures, byte for byte.

The register holds all of it: an object can be made again from the rows, and one in a vault told by its key.
"""

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy.orm import Session

from hashing import canonical, tiles
from hashing.log import MAX_SIZE, TILE_HEIGHT
from hashing.notes import Vkey
from hashing.tiles import Bundle, Tile, TileError
from metadata import events
from metadata.models import CustodyEvent, StoredKind
from metadata.repo import ledger
from metadata.repo.ledger import Hashes, Logged
from storage import layout

SCHEMA = "sealdock.events/1"
_BUNDLE_BYTES = 4 << 20
"""A bundle is closed when its events have so many bytes; a single event may be larger."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes and the key they belong at; ``end``: how many leaves the log had to have for them."""

    key: str
    data: bytes
    kind: StoredKind
    end: int
    clip: str | None = None


def added(session: Session, origin: str, start: int, size: int) -> Iterator[Part]:
    """Walk what a vault that holds ``start`` leaves lacks of ``size``, but for the checkpoint."""
    for clip, found in groupby(ledger.by_subject(session, start, size), lambda event: event.clip):
        for bundle in _split(found):
            yield _bundle(origin, clip, bundle)
    hashes = Hashes(session)
    for tile in tiles.tiles(size, start):
        yield _tile(origin, tile, hashes)
    for entries in tiles.bundles(size, start):
        yield _entries(origin, entries, session)


def checkpoint(session: Session, origin: str, size: int) -> Part | None:
    """Return the checkpoint that was signed at a size."""
    note = ledger.checkpoint(session, size)
    if note is None:
        return None
    return Part(layout.checkpoint_key(origin, size), note, StoredKind.LEDGER, size)


def cosignatures(session: Session, origin: str, size: int) -> list[Part]:
    """Return the witnesses' lines under the checkpoint of a size."""
    return [
        Part(
            layout.cosignature_key(origin, size, Vkey.parse(row.witness).key_id),
            f"{row.line}\n".encode(),
            StoredKind.LEDGER,
            size,
        )
        for row in ledger.cosignatures(session, size)
    ]


def at(session: Session, origin: str, key: str) -> Part | None:
    """Return what belongs at a key by what the register holds; None if it says nothing of that key."""
    numbers = layout.events_range(key)
    if numbers is not None:
        return _bundle_at(session, origin, key, *numbers)
    path = key.removeprefix(layout.ledger_prefix(origin))
    if path == key:
        return None
    if path.startswith("tile/"):
        return _tile_at(session, origin, path)
    for number in (int(part) for part in path.split("/") if part.isascii() and part.isdigit()):
        if number > MAX_SIZE:  # no log is that long, and no database takes the number
            continue
        for found in (checkpoint(session, origin, number), *cosignatures(session, origin, number)):
            if found is not None and found.key == key:
                return found
    return None


def _tile_at(session: Session, origin: str, path: str) -> Part | None:
    size = ledger.size(session)
    with suppress(TileError):
        if path.startswith("tile/entries/"):
            entries = Bundle.parse(path)
            return _entries(origin, entries, session) if _reach(entries) <= size else None
        tile = Tile.parse(path)
        return _tile(origin, tile, Hashes(session)) if _reach(tile) <= size else None
    return None


def _bundle_at(session: Session, origin: str, key: str, first: int, last: int) -> Part | None:
    subject = key.split("/")[1]
    clip = None if subject == ledger.REGISTER else subject
    found = next(_split(ledger.of_subject(session, clip, first, last + 1)), None)
    made = None if found is None else _bundle(origin, clip, found)
    return made if made is not None and made.key == key else None


def _split(found: Iterable[Logged]) -> Iterator[list[Logged]]:
    """Cut a subject's events into bundles of bounded size."""
    bundle: list[Logged] = []
    length = 0
    for event in found:
        if bundle and length + len(event.body) > _BUNDLE_BYTES:
            yield bundle
            bundle, length = [], 0
        bundle.append(event)
        length += len(event.body)
    if bundle:
        yield bundle


def _bundle(origin: str, clip: str | None, bundle: list[Logged]) -> Part:
    """Return a bundle as docs/formats.md has it."""
    first, last = bundle[0].sequence, bundle[-1].sequence
    data = canonical.encode(
        {
            "schema": SCHEMA,
            "origin": origin,
            "events": [
                {
                    "sequence": event.sequence,
                    "body": event.body.decode("utf-8"),
                    "salt": base64.b64encode(event.salt).decode("ascii"),
                }
                for event in bundle
            ],
        }
    )
    key = layout.events_key(clip or ledger.REGISTER, first, last)
    return Part(key, data, StoredKind.EVENTS, last + 1, clip)


def _tile(origin: str, tile: Tile, hashes: Hashes) -> Part:
    return Part(layout.ledger_key(origin, tile.path), tile.read(hashes), StoredKind.LEDGER, _reach(tile))


def _entries(origin: str, entries: Bundle, session: Session) -> Part:
    query = (
        CustodyEvent.__table__.select()
        .with_only_columns(CustodyEvent.salt, CustodyEvent.body)
        .where(CustodyEvent.sequence.between(entries.first, entries.first + entries.width - 1))
        .order_by(CustodyEvent.sequence)
    )
    data = entries.encode([events.entry(salt, body) for salt, body in session.execute(query)])
    return Part(layout.ledger_key(origin, entries.path), data, StoredKind.LEDGER, _reach(entries))


def _reach(part: Tile | Bundle) -> int:
    """Return how many leaves a log has at least that has this tile or bundle."""
    level = part.level if isinstance(part, Tile) else 0
    return (part.first + part.width) << (TILE_HEIGHT * level)
