"""The first stage of a docking: take the inventory and write the rows of its clips.

One transaction creates the docking, its recorder, clips and sightings and the custody event, so
that every later stage is a change of state and nothing else.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ulid import ULID

from config.times import spelled
from hashing import canonical
from ingest import inventory as inventories
from ingest.names import last_part, readable, to_uri
from ingest.recognition import Recognition, recognise
from ingest.source import Entry, FolderSource, Listing
from jobs import acceptance, told
from jobs.acceptance import Unknown
from jobs.node import Node
from metadata import events
from metadata.actor import Actor
from metadata.changes import WritingSession
from metadata.clock import ClockReading
from metadata.events import EventKind
from metadata.models import Clip, Docking, Outcome, Recorder
from metadata.repo import clips, dockings, integrity, recorders
from metadata.states import SAFE, ClipState

_PAGE = 500
"""Files of a card whose rows one event tells of."""


@dataclass(frozen=True, slots=True)
class DockingRequest:
    """What a docking was asked to do."""

    id: str
    source: Path
    claimed_officer: str | None
    reread: bool
    operator: Actor
    unknown: Unknown


def register_docking(node: Node, source: FolderSource, request: DockingRequest) -> None:
    """Take the inventory of ``source`` and write it down. A repeat after a crash changes nothing."""
    with node.register.read() as session:
        if session.get(Docking, request.id) is not None:
            return
    limits = node.settings.docking
    listing = source.walk(max_entries=limits.max_entries, max_depth=limits.max_depth)
    recognition = recognise(listing.entries, node.profiles)
    clock = node.read_clock()
    if request.unknown is Unknown.REFUSE:
        acceptance.require(node, source, _identity(node, source, recognition))
    with node.register.write() as session:
        recorder = _write(session, node, source, request, listing, recognition, clock)
    told.docking_started(request.id, recorder, len(listing.entries))


def _identity(node: Node, source: FolderSource, recognition: Recognition) -> str:
    """Return what a recorder is known by. A folder's numbers mean nothing on another station's computer."""
    if recognition.serial:
        return f"serial:{recognition.serial}"
    found = source.volume
    if found.uuid:
        return found.identity
    return f"folder:{node.station_id}:{found.device}:{found.inode}"


def _write(
    session: WritingSession,
    node: Node,
    source: FolderSource,
    request: DockingRequest,
    listing: Listing,
    recognition: Recognition,
    clock: ClockReading,
) -> str:
    """Write the rows of a docking; return its recorder's id."""
    at = clock.at
    identity = _identity(node, source, recognition)
    recorder = recorders.ensure_recorder(session, identity, recognition.serial, recognition.profile.name, at)
    if request.unknown is Unknown.ACCEPT:
        acceptance.accept(session, recorder, request.operator, at)
    if request.claimed_officer:
        recorders.ensure_officer(session, request.claimed_officer, at)
    heads = dockings.heads(session, recorder.id)
    built = inventories.build(
        docking=request.id,
        station=node.station_id,
        operator=request.operator,
        claimed_officer=request.claimed_officer,
        source=readable(os.fsencode(source.root)),
        volume=source.volume,
        recorder=inventories.RecorderClaim(recorder.id, identity, recognition.serial, recorder.profile),
        clock=clock,
        listing=listing,
        recognition=recognition,
        previous=[_head(head) for head in heads],
    )
    dockings.supersede(session, [head.id for head in heads])
    session.add(
        Docking(
            id=request.id,
            station_id=node.station_id,
            recorder_id=recorder.id,
            source=to_uri(source.root),
            volume=source.volume.to_json(),
            operator=request.operator.to_json(),
            claimed_officer=request.claimed_officer,
            clock=canonical.decode(canonical.encode(clock.to_json())),
            clock_plausible=clock.plausible,
            started_at=at,
            inventory=built.data,
            inventory_digest=built.digest.hex,
            inventory_seal=b"",
        )
    )
    events.append(
        session,
        EventKind.INVENTORIED,
        request.operator,
        at,
        attempt=request.id,
        docking=request.id,
        facts={
            "recorder": recorder.id,
            "inventory": str(built.digest),
            "entries": len(listing.entries),
            "skipped": len(listing.skipped),
            "clock": clock.to_json(),
        },
    )
    total = _sightings(session, request, recorder, listing, recognition, at, reread=not source.volume.lasting)
    dockings.start_progress(session, request.id, total, at)
    if not recorder.accepted:
        acceptance.quarantine(session, recorder, request.id, request.operator, at)
    if not clock.plausible:
        integrity.raise_alert(
            session, "clock-implausible", at, facts={"docking": request.id, "clock": spelled(at)}
        )
    _watch_key(session, node, at)
    return recorder.id


def _watch_key(session: WritingSession, node: Node, at: datetime) -> None:
    """Raise one alert for a station key that is about to expire, or has expired."""
    expires = node.signer.expires_at
    if expires - at > node.settings.keys.expiry_warning:
        return
    facts = {"key": node.signer.key_id, "not_after": spelled(expires)}
    if not integrity.has_alert(session, "key-expires", facts):
        integrity.raise_alert(session, "key-expires", at, facts=facts)


def _head(head: Docking) -> Mapping[str, Any]:
    return {
        "docking": head.id,
        "inventory": f"sha256:{head.inventory_digest}",
        "close": None if head.close_digest is None else f"sha256:{head.close_digest}",
    }


def _sightings(
    session: WritingSession,
    request: DockingRequest,
    recorder: Recorder,
    listing: Listing,
    recognition: Recognition,
    at: datetime,
    *,
    reread: bool,
) -> int:
    """Write a row per sighting, and per clip seen for the first time; return the bytes to read.

    A card may hold 100,000 files: their rows are written past the unit of work, an event for each page.
    """
    known = clips.known(session, recorder.id)
    total = 0
    for first in range(0, len(listing.entries), _PAGE):
        page = listing.entries[first : first + _PAGE]
        new_clips: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        for position, entry in enumerate(page, start=first):
            clip, outcome = _decide(entry, known.get(entry.path, []), reread=request.reread or reread)
            if clip is None:
                clip_id = str(ULID())
                new_clips.append(_new_clip(clip_id, entry, recorder, recognition, request.id, at))
            else:
                clip_id = clip.id
            if clip is not None and outcome is Outcome.TO_READ:
                _take_up(clip, entry, request.id)
            total += entry.size if outcome is not Outcome.NOT_READ_AGAIN else 0
            seen.append(
                {
                    "id": str(ULID()),
                    "docking_id": request.id,
                    "position": position,
                    "clip_id": clip_id,
                    "size": entry.size,
                    "mtime_ns": entry.mtime_ns,
                    "outcome": outcome.value,
                }
            )
        session.flush()
        dockings.add_sightings(session, new_clips, seen)
        events.append(
            session,
            EventKind.FOUND,
            request.operator,
            at,
            attempt=f"{request.id}/{first}",
            docking=request.id,
            facts={"first": first, "count": len(page), "new": len(new_clips)},
        )
    return total


def _decide(entry: Entry, same_path: list[Clip], *, reread: bool) -> tuple[Clip | None, Outcome]:
    """Decide whether a file is a known clip, and whether it must be read.

    Same path, size and times as a clip that is safe: not read again. A clip of that path that
    never became safe is the same clip, found again. Anything else is a new clip.
    """
    for clip in reversed(same_path):
        if ClipState(clip.state) in SAFE:
            if (clip.size, clip.mtime_ns) == (entry.size, entry.mtime_ns):
                return clip, Outcome.TO_REREAD if reread else Outcome.NOT_READ_AGAIN
        elif clip.sha256 is None or (clip.size, clip.mtime_ns) == (entry.size, entry.mtime_ns):
            return clip, Outcome.TO_READ
    return None, Outcome.TO_READ


def _new_clip(
    clip_id: str, entry: Entry, recorder: Recorder, recognition: Recognition, docking_id: str, at: datetime
) -> dict[str, Any]:
    return {
        "id": clip_id,
        "recorder_id": recorder.id,
        "docking_id": docking_id,
        "name": readable(last_part(entry.path)),
        "path": readable(entry.path),
        "path_bytes": entry.path,
        "kind": recognition.kind(entry),
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "state": ClipState.FOUND.value,
        "time_source": "unknown",
        "created_at": at,
    }


def _take_up(clip: Clip, entry: Entry, docking_id: str) -> None:
    """Let this docking go on with a clip that an earlier one could not finish."""
    clip.docking_id = docking_id
    clip.size, clip.mtime_ns = entry.size, entry.mtime_ns
    state = ClipState(clip.state)
    not_here = state is ClipState.WAITING and clip.sha256 is None
    if not_here or state in {ClipState.MISSING_AT_UNPLUG, ClipState.QUARANTINED}:
        clips.move(clip, ClipState.FOUND)
