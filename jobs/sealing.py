"""The seal stage: the manifest is written and signed, the clip finds its officer, case and legal date."""

import importlib.metadata
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy.orm import Session

from config.errors import SealdockError, TimestampInvalidError, TimestampUnavailableError
from config.profiles import NameFacts
from hashing import canonical, seal, timestamp
from hashing.digest import Digest
from hashing.manifest import (
    ChunksPart,
    ClipPart,
    DockingPart,
    Manifest,
    RecorderPart,
    RecordingPart,
)
from ingest.names import last_part
from ingest.times import RecordedTime, recorded_time
from jobs import outcomes, told
from jobs.custody import link_by_window, set_legal_date
from jobs.node import Node
from jobs.probing import load
from jobs.verdict import Verdict
from metadata import events
from metadata.events import EventKind
from metadata.media.probe import Probe
from metadata.models import Clip, Docking, Recorder, Seal, SealTimestamp, StoredObject
from metadata.repo import clips, dockings, integrity, recorders
from metadata.states import ClipState, reached

_log = logging.getLogger("sealdock.seal")


@cache
def software() -> str:
    """Return the name and version that manifests carry."""
    try:
        return f"sealdock {importlib.metadata.version('sealdock')}"
    except importlib.metadata.PackageNotFoundError:
        return "sealdock (not installed)"


@dataclass(frozen=True, slots=True)
class _Sealed:
    manifest: bytes
    digest: Digest
    signature: bytes
    stamped: bytes | None
    stamped_at: datetime | None


def run(node: Node, docking_id: str, position: int, found: Mapping[str, Any]) -> Verdict:
    """Seal a sighting's clip, unless that is done already."""
    with node.register.read() as session:
        clip = dockings.clip_at(session, docking_id, position)
        docking = node.docking(session, docking_id)
        recorder = session.get_one(Recorder, clip.recorder_id)
        stored = session.get(StoredObject, clip.sha256 or "")
    if outcomes.taken_over(docking, clip):
        return Verdict.ENDED
    if reached(outcomes.come_to(clip), ClipState.SEALED):
        return Verdict.DONE
    if stored is None:
        raise ValueError(f"clip {clip.id} was not offloaded")
    probe = load(found)
    names = _name_facts(node, recorder, clip)
    zone = _zone(node, recorder)
    times = recorded_time(names, probe.created, probe.duration, clip.mtime_ns, zone)
    sealed = _seal(node, _manifest(clip, docking, recorder, stored, probe, names, times), docking)
    return _write(node, docking, clip, probe, names, times, sealed)


def _name_facts(node: Node, recorder: Recorder, clip: Clip) -> NameFacts | None:
    for profile in node.profiles:
        if profile.name == recorder.profile:
            return profile.match(clip.path)
    return None


def _zone(node: Node, recorder: Recorder) -> str:
    for profile in node.profiles:
        if profile.name == recorder.profile and profile.time_zone:
            return profile.time_zone
    return node.settings.station.time_zone


def _manifest(
    clip: Clip,
    docking: Docking,
    recorder: Recorder,
    stored: StoredObject,
    probe: Probe,
    names: NameFacts | None,
    times: RecordedTime,
) -> Manifest:
    return Manifest(
        clip=ClipPart(
            id=clip.id,
            digests=(f"sha256:{stored.sha256}", *stored.other_digests),
            size=stored.size,
            name=canonical.name(last_part(clip.path_bytes)),
            path=canonical.name(clip.path_bytes),
            media_type=probe.media_type,
        ),
        chunks=ChunksPart(size=stored.chunk_size, root=f"sha256:{stored.chunk_root}"),
        recording=RecordingPart(
            start=times.start,
            end=times.end,
            time_source=times.source,
            time_zone=times.time_zone,
            sequence=names.sequence if names else None,
            important=bool(names and names.important),
        ),
        recorder=RecorderPart(
            serial=recorder.serial,
            model=probe.model,
            profile=recorder.profile,
            claimed_officer=docking.claimed_officer or (names.officer if names else None),
        ),
        docking=DockingPart(
            id=docking.id,
            station=docking.station_id,
            operator=docking.operator,
            at=docking.started_at,
            station_clock=docking.clock,
            recorder_clock={"interval": None, "method": "unknown"},
            inventory=f"sha256:{docking.inventory_digest}",
        ),
        probe=probe.to_json(),
        read_back="media" if clip.read_back == "media" else "cache",
        assurance="dock-signed",
        software=software(),
        previous=f"sha256:{clip.manifest_sha256}" if clip.manifest_sha256 else None,
    )


def _seal(node: Node, manifest: Manifest, docking: Docking) -> _Sealed:
    data = manifest.encode()
    signature = seal.sign(data, node.signer)
    stamped, stamped_at = stamp(node, signature)
    if stamped is None and node.authority is not None:
        _log.info("timestamp-pending", extra={"docking": docking.id})
    return _Sealed(data, Digest.sha256(data), signature, stamped, stamped_at)


class _Breaker:
    """Lets one clip wait for an authority that is down; the others of the next minute do not."""

    REST_SECONDS = 60.0

    def __init__(self) -> None:
        self._failed_at = float("-inf")

    def open(self) -> bool:
        return time.monotonic() - self._failed_at < self.REST_SECONDS

    def trip(self) -> None:
        self._failed_at = time.monotonic()


_breaker = _Breaker()


def stamp(node: Node, signature: bytes, *, insist: bool = False) -> tuple[bytes | None, datetime | None]:
    """Return the seal with a trusted timestamp and its time, or nothing if that is for later."""
    if node.authority is None or (_breaker.open() and not insist):
        return None, None
    value = timestamp.signature_value(signature)
    try:
        token = node.authority.token(value)
    except (TimestampUnavailableError, TimestampInvalidError) as error:
        _breaker.trip()
        _note_refusal(node, error)
        return None, None
    at = timestamp.verify_token(token, value, trust_roots=node.authority.trust_roots)
    return timestamp.attach(signature, token), at


def _note_refusal(node: Node, error: SealdockError) -> None:
    """Raise an alert for an authority that answers wrongly; one that is down is a matter of time."""
    if not isinstance(error, TimestampInvalidError):
        return
    with node.register.write() as session:
        facts = {key: str(value) for key, value in error.facts.items()}
        if not integrity.has_alert(session, "timestamp-invalid", facts):
            integrity.raise_alert(session, "timestamp-invalid", node.clock.now(), facts=facts)


def _officer(
    session: Session, docking: Docking, clip: Clip, names: NameFacts | None, times: RecordedTime
) -> tuple[str | None, str | None]:
    """Return the officer a clip is ascribed to and where that comes from; all of them are claims."""
    if docking.claimed_officer:
        return docking.claimed_officer, "docking"
    if names is not None and names.officer:
        return names.officer, "file-name"
    if times.start is not None:
        carrier = recorders.carrier(session, clip.recorder_id, times.start)
        if carrier is not None:
            return carrier, "assignment"
    return None, None


def _write(
    node: Node,
    docking: Docking,
    clip: Clip,
    probe: Probe,
    names: NameFacts | None,
    times: RecordedTime,
    sealed: _Sealed,
) -> Verdict:
    actor = outcomes.operator(docking)
    with node.register.write() as session:
        clock = node.weigh_clock(session)
        at = clock.at
        row = session.get_one(Clip, clip.id)
        if outcomes.taken_over(docking, row):
            return Verdict.ENDED
        officer, officer_source = _officer(session, docking, row, names, times)
        if officer:
            recorders.ensure_officer(session, officer, at)
        outcomes.resume(row)
        clips.move(row, ClipState.SEALED)
        row.officer_id, row.officer_source = officer, officer_source
        row.probe = probe.to_json()
        row.condition = probe.condition.value
        row.recorded_start, row.recorded_end, row.time_source = times.start, times.end, times.source
        row.sequence = names.sequence if names else None
        row.important = bool(names and names.important)
        row.manifest_sha256 = sealed.digest.hex
        session.add(
            Seal(
                manifest_sha256=sealed.digest.hex,
                clip_id=clip.id,
                manifest=sealed.manifest,
                signature=sealed.signature,
                key_id=node.signer.key_id,
                timestamp_wanted=node.authority is not None,
                # A wrong clock must not put the seal outside its certificate's validity.
                created_at=clock.trusted,
            )
        )
        session.flush()
        add_timestamp(session, node, sealed.digest.hex, sealed.stamped, sealed.stamped_at)
        set_legal_date(session, node, row)
        events.append(
            session,
            EventKind.SEALED,
            actor,
            at,
            attempt=sealed.digest.hex,
            clip=clip.id,
            docking=docking.id,
            facts={
                "manifest": str(sealed.digest),
                "key": node.signer.key_id,
                "condition": probe.condition.value,
                "timestamp": sealed.stamped_at,
            },
        )
        link_by_window(session, node, row, actor, at)
    told.sealed(clip, docking)
    return Verdict.DONE


def add_timestamp(
    session: Session, node: Node, manifest: str, stamped: bytes | None, at: datetime | None
) -> bool:
    """Write a timestamp down, if there is one; the vault gets it with the seal or in a later run."""
    if stamped is None or at is None or node.authority is None:
        return False
    session.add(
        SealTimestamp(manifest_sha256=manifest, signature=stamped, authority=node.authority.url, time=at)
    )
    session.flush()
    return True
