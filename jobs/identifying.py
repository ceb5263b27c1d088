"""What the register can prove of bytes in the vault by their key: whose they are, and their digest."""

import json
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import ObjectMissingError
from hashing.digest import Digest
from jobs.ledger import parts
from metadata.models import Clip, Derivative, Docking, Seal, SealTimestamp, Station, StoredKind, StoredObject
from metadata.repo import ledger
from metadata.states import ENDED, ClipState
from storage import layout
from storage.vault import Vault

_LONGEST_DOCUMENT = 16 << 20
_SEALS_LOOKED_AT = 16


@dataclass(frozen=True, slots=True)
class Known:
    """What must be at a key: its kind and SHA-256 (hex). ``busy``: a docking is about to put it there.

    ``data``: the bytes, where the register holds them itself.
    """

    kind: StoredKind
    sha256: str
    clip: str | None = None
    docking: str | None = None
    busy: bool = False
    data: bytes | None = None


def identify(session: Session, key: str) -> Known | None:
    """Return what the register knows of a key; None if nothing."""
    room, _, rest = key.partition("/")
    parts = rest.split("/")
    if room == "clips":
        return _original(session, parts[-1]) if key == _clip_key(parts[-1]) else None
    if room == "seals":
        return _sealed(session, key, parts[-1].partition(".")[0])
    if room == "dockings":
        return _docking(session, key, parts[-1].partition(".")[0])
    if room == "derived":
        query = select(Derivative.clip_id).where(Derivative.poster_sha256 == rest).limit(1)
        clip = session.scalar(query)
        return None if clip is None else Known(StoredKind.DERIVED, rest, clip=clip)
    return None


def identify_ledger(session: Session, origin: str, vault: str, key: str) -> Known | None:
    """Return what the register's log, ``origin``, has at a key in a vault; None if nothing.

    ``busy``: the vault is not said to hold the log so far, and the next publication will see to it.
    """
    part = parts.at(session, origin, key)
    if part is None:
        return None
    standing = ledger.standing(session, vault)
    busy = standing is None or standing.published < part.end
    return Known(part.kind, Digest.sha256(part.data).hex, clip=part.clip, busy=busy, data=part.data)


def of_another_station(session: Session, origin: str, vault: Vault, key: str) -> bool:
    """Tell whether a document in the vault says that another station stored the bytes at ``key``.

    ``origin`` is the log of this register.
    """
    ours = set(session.scalars(select(Station.id)))
    room, _, rest = key.partition("/")
    if room == "ledger":
        return layout.is_of_log(key) and not key.startswith(layout.ledger_prefix(origin))
    if room == "events":
        return _member(vault, key, "origin") not in {origin, None}
    if room == "dockings":
        return rest.partition("/")[0] not in ours
    if room == "seals":
        folder, _, name = key.rpartition("/")
        return _station_of(vault, f"{folder}/{name.partition('.')[0]}.json") not in ours | {None}
    if room != "clips":
        return False
    # The bytes of a clip name nobody: what was sealed of them does.
    stations = set()
    for number, found in enumerate(vault.keys(f"seals/{rest.rpartition('/')[2]}/")):
        if number >= _SEALS_LOOKED_AT:
            break
        if found.endswith(".json"):
            stations.add(_station_of(vault, found))
    return bool(stations - ours - {None}) and not stations & ours


def _station_of(vault: Vault, key: str) -> str | None:
    return _member(vault, key, "docking", "station")


def _member(vault: Vault, key: str, *path: str) -> str | None:
    """Return what a JSON document in the vault says there; None if it says nothing."""
    versions = [version for version in vault.versions(key) if not version.marker]
    if versions:
        with suppress(ValueError, TypeError, KeyError, ObjectMissingError, OSError):
            with vault.open(key, versions[-1].version) as file:
                value = json.loads(file.read(_LONGEST_DOCUMENT))
            for name in path:
                value = value[name]
            return str(value)
    return None


def _original(session: Session, sha256: str) -> Known | None:
    if session.get(StoredObject, sha256) is None:
        return None
    clips = list(session.scalars(select(Clip).where(Clip.sha256 == sha256).order_by(Clip.id)))
    busy = any(ClipState(clip.state) not in ENDED for clip in clips)
    return Known(StoredKind.ORIGINAL, sha256, clip=clips[0].id if clips else None, busy=busy)


def _sealed(session: Session, key: str, manifest: str) -> Known | None:
    seal = session.get(Seal, manifest)
    clip = None if seal is None else session.get(Clip, seal.clip_id)
    if seal is None or clip is None or clip.sha256 is None:
        return None
    of, digest = Digest.of_sha256(clip.sha256), Digest.of_sha256(manifest)
    busy = ClipState(clip.state) not in ENDED
    stamped = session.get(SealTimestamp, manifest)
    if key == layout.manifest_key(of, digest):
        return Known(StoredKind.MANIFEST, manifest, clip=clip.id, busy=busy, data=seal.manifest)
    data = None
    if key == layout.seal_key(of, digest):
        kind, data = StoredKind.SEAL, seal.signature
    elif stamped is not None and key == layout.timestamped_seal_key(of, digest):
        kind, data = StoredKind.TIMESTAMPED_SEAL, stamped.signature
    if data is not None:
        return Known(kind, Digest.sha256(data).hex, clip=clip.id, busy=busy, data=data)
    return None


def _docking(session: Session, key: str, docking_id: str) -> Known | None:
    row = session.get(Docking, docking_id)
    if row is None:
        return None
    documents = zip(
        layout.docking_keys(row.station_id, row.id, row.started_at),
        (StoredKind.INVENTORY, StoredKind.DOCKING_SEAL, StoredKind.CLOSE, StoredKind.DOCKING_SEAL),
        (row.inventory, row.inventory_seal, row.close, row.close_seal),
        strict=True,
    )
    for at, kind, data in documents:
        if at == key and data:
            return Known(kind, Digest.sha256(data).hex, docking=row.id, data=data)
    return None


def _clip_key(sha256: str) -> str | None:
    try:
        return layout.clip_key(Digest.of_sha256(sha256))
    except ValueError:
        return None
