"""Names of the objects in a vault: the vault alone must be enough to rebuild the register.

Keys are relative, use ``/`` and a small ASCII alphabet, and fit every store: an S3 key holds 1024 bytes, and
a file name 255, of which the local vault needs a few for its lock records.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from config.errors import VaultKeyInvalidError
from hashing.digest import Algorithm, Digest

MAX_KEY = 512
"""Longest key in bytes; an S3 key holds 1024, which leaves room for a prefix inside a shared bucket."""

MAX_SEGMENT = 200
"""Longest part between two slashes in bytes; a file name holds 255, and lock records add a suffix."""

# The first character excludes ".." and the vault's own folders (".locks", ".tmp"); no "@", space or
# percent sign, so a key reads the same in a URL, a shell and a signed request.
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=-]*")

_EVENTS = re.compile(r"events/[^/]+/([0-9]{12,18})-([0-9]{12,18})\.json", re.ASCII)
_OF_LOG = re.compile(r"ledger/[^/]+/[^/]+/(?:tile|checkpoints|cosignatures)/", re.ASCII)
_SIZE_DIGITS = 20


def check_key(key: str) -> str:
    """Return ``key`` unchanged if a vault may hold an object of that name.

    Refused are empty, absolute and too long keys, empty parts, parts that start with a dot (``..`` among
    them) and every character outside ``A-Za-z0-9._+=-``.

    Raises:
        VaultKeyInvalidError: it may not.

    """
    if not is_key(key):
        raise VaultKeyInvalidError(key=key)
    return key


def is_key(key: str) -> bool:
    """Tell whether ``check_key`` accepts ``key``."""
    return len(key) <= MAX_KEY and all(_valid_segment(part) for part in key.split("/"))


def split_key(key: str) -> tuple[tuple[str, ...], str]:
    """Return the folders of ``key`` and its last part."""
    *folders, name = key.split("/")
    return tuple(folders), name


def clip_key(digest: Digest) -> str:
    """Key of a clip's original bytes: ``clips/sha256/ab/<64 hex>``. ValueError unless SHA-256."""
    value = _hex(digest)
    return f"clips/sha256/{value[:2]}/{value}"


def seals_prefix(clip_digest: Digest) -> str:
    """Return what the keys of a clip's manifests and seals begin with. ValueError unless SHA-256."""
    return f"seals/{_hex(clip_digest)}/"


def manifest_key(clip_digest: Digest, manifest_digest: Digest) -> str:
    """Key of a manifest: ``seals/<clip digest>/<its digest>.json``. ValueError unless both are SHA-256."""
    return f"{seals_prefix(clip_digest)}{_hex(manifest_digest)}.json"


def seal_key(clip_digest: Digest, manifest_digest: Digest) -> str:
    """Key of the seal of a manifest, the detached CMS signature (``….json.p7s``)."""
    return signature_key(manifest_key(clip_digest, manifest_digest))


def timestamped_seal_key(clip_digest: Digest, manifest_digest: Digest) -> str:
    """Key of the same seal with a timestamp that came later (``….json.t.p7s``); the first one stays."""
    return signature_key(manifest_key(clip_digest, manifest_digest) + ".t")


def inventory_key(station: str, docking_id: str, at: datetime) -> str:
    """Key of a docking's inventory: ``dockings/<station>/<yyyy>/<mm>/<docking>.inventory.json``.

    ``at`` is when the docking began, an aware time; year and month are those of UTC.

    Raises:
        VaultKeyInvalidError: the station or docking id cannot be part of a key.
        ValueError: ``at`` is naive.

    """
    return f"{_docking(station, docking_id, at)}.inventory.json"


def close_key(station: str, docking_id: str, at: datetime) -> str:
    """Key of a docking's close-out: ``dockings/<station>/<yyyy>/<mm>/<docking>.close.json``.

    ``at`` is when the docking *began*, as for ``inventory_key``, so that both lie side by side.

    Raises:
        VaultKeyInvalidError: the station or docking id cannot be part of a key.
        ValueError: ``at`` is naive.

    """
    return f"{_docking(station, docking_id, at)}.close.json"


def docking_keys(station: str, docking_id: str, at: datetime) -> tuple[str, str, str, str]:
    """Keys of a docking's inventory, its signature, its close-out and its signature, as above."""
    inventory, close = inventory_key(station, docking_id, at), close_key(station, docking_id, at)
    return inventory, signature_key(inventory), close, signature_key(close)


def signature_key(key: str) -> str:
    """Key of the detached signature of the document at ``key``."""
    return check_key(f"{key}.p7s")


def derived_key(digest: Digest) -> str:
    """Key of a derivative (poster, proxy): ``derived/<64 hex>``. ValueError unless SHA-256."""
    return f"derived/{_hex(digest)}"


def events_key(subject: str, first: int, last: int) -> str:
    """Key of a bundle of custody events: ``events/<clip id or "register">/<first>-<last>.json``.

    The numbers are those of its first and last event, with twelve digits, so that keys sort as events do.
    """
    return check_key(f"events/{subject}/{first:012d}-{last:012d}.json")


def events_range(key: str) -> tuple[int, int] | None:
    """Return the numbers in a bundle's key; None for any other key."""
    found = _EVENTS.fullmatch(key)
    return None if found is None else (int(found[1]), int(found[2]))


def ledger_key(origin: str, path: str) -> str:
    """Key of a tile or an entry bundle, ``path`` as C2SP tlog-tiles names it: ``ledger/<origin>/<path>``."""
    return check_key(f"{ledger_prefix(origin)}{path}")


def ledger_prefix(origin: str) -> str:
    """Return what the keys of a log begin with, but for its event bundles."""
    return f"ledger/{origin}/"


def is_of_log(key: str) -> bool:
    """Tell whether a key is one of some log: ``ledger/<name>/<log id>/…``."""
    return _OF_LOG.match(key) is not None


def checkpoints_prefix(origin: str) -> str:
    """Return what the keys of a log's checkpoints begin with."""
    return f"{ledger_prefix(origin)}checkpoints/"


def checkpoint_key(origin: str, size: int) -> str:
    """Key of a signed checkpoint: ``ledger/<origin>/checkpoints/<size, twenty digits>``."""
    return check_key(f"{checkpoints_prefix(origin)}{size:020d}")


def checkpoint_size(key: str) -> int | None:
    """Return the size in a checkpoint's key; None for any other key."""
    name = key.rpartition("/")[2]
    return int(name) if len(name) == _SIZE_DIGITS and name.isascii() and name.isdigit() else None


def cosignature_key(origin: str, size: int, witness: bytes) -> str:
    """Key of a witness's line, by its key id: ``ledger/<origin>/cosignatures/<size>/<hex>``."""
    return check_key(f"{ledger_prefix(origin)}cosignatures/{size:020d}/{witness.hex()}")


@dataclass(frozen=True, slots=True)
class Belongs:
    """What an object in the vault is kept for: a clip's bytes, a docking, what was derived, or the ledger."""

    folder: Literal["clips", "dockings", "derived", "events", "ledger"]
    name: str
    """SHA-256 of the clip's bytes or of the derivative (plain hex), or the id of the docking or clip."""


def belongs(key: str) -> Belongs | None:
    """Return what the object of a key made here is kept for; None for any other key."""
    match key.split("/"):
        case ["clips", "sha256", _, digest] | ["seals", digest, _]:
            return Belongs("clips", digest)
        case ["dockings", _, _, _, document]:
            return Belongs("dockings", document.partition(".")[0])
        case ["derived", digest]:
            return Belongs("derived", digest)
        case ["events", "register", _] | ["ledger", *_]:
            return Belongs("ledger", "register")
        case ["events", clip, _]:
            return Belongs("events", clip)
    return None


def _docking(station: str, docking_id: str, at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("a docking's time needs a time zone")
    for part in (station, docking_id):
        if not _valid_segment(part):
            raise VaultKeyInvalidError(key=part)
    moment = at.astimezone(UTC)
    return check_key(f"dockings/{station}/{moment.year:04d}/{moment.month:02d}/{docking_id}")


def _valid_segment(part: str) -> bool:
    return len(part) <= MAX_SEGMENT and _SEGMENT.fullmatch(part) is not None


def _hex(digest: Digest) -> str:
    if digest.algorithm is not Algorithm.SHA256:
        raise ValueError(f"vault keys are made of SHA-256 digests, not {digest.algorithm}")
    return digest.hex
