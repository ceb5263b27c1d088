"""The signed inventory: everything seen on a card at one docking, chained to the recorder's past."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashing import canonical
from hashing.digest import Digest
from ingest.recognition import Recognition
from ingest.source import Listing
from ingest.volume import Volume
from metadata.actor import Actor
from metadata.clock import ClockReading

SCHEMA = "sealdock.inventory/1"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Canonical bytes of an inventory and their digest."""

    data: bytes
    digest: Digest


@dataclass(frozen=True, slots=True)
class RecorderClaim:
    """What a card says about its recorder: always a claim."""

    id: str
    identity: str
    serial: str | None
    profile: str


def build(
    *,
    docking: str,
    station: str,
    operator: Actor,
    claimed_officer: str | None,
    source: str,
    volume: Volume,
    recorder: RecorderClaim,
    clock: ClockReading,
    listing: Listing,
    recognition: Recognition,
    previous: Sequence[Mapping[str, Any]],
) -> Inventory:
    """Write the inventory. ``previous`` names the recorder's known heads by docking and digest."""
    document = {
        "schema": SCHEMA,
        "docking": docking,
        "station": station,
        "operator": operator.to_json(),
        "claimed_officer": claimed_officer,
        "source": canonical.name(os.fsencode(source)),
        "volume": volume.to_json(),
        "recorder": {
            "id": recorder.id,
            "identity": recorder.identity,
            "serial": recorder.serial,
            "profile": recorder.profile,
            "claimed": True,
        },
        "clock": clock.to_json(),
        # A mounted folder shows no clock and no deleted entries: said, so that nobody reads it as "none".
        "recorder_clock": {"interval": None, "method": "unknown"},
        "deleted_entries": "not visible on a mounted folder",
        "entries": [
            {
                "index": index,
                "path": canonical.name(entry.path),
                "size": entry.size,
                "mtime_ns": str(entry.mtime_ns),
                "read_only": entry.read_only,
                "kind": recognition.kind(entry),
            }
            for index, entry in enumerate(listing.entries)
        ],
        "skipped": [{"path": canonical.name(item.path), "what": item.what} for item in listing.skipped],
        "previous": [dict(item) for item in previous],
    }
    data = canonical.encode(document)
    return Inventory(data=data, digest=Digest.sha256(data))
