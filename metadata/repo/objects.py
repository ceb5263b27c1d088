"""Objects and the exact versions that vaults hold of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import SQLColumnExpression, bindparam, exists, func, select, text
from sqlalchemy.orm import Session, aliased
from ulid import ULID

from hashing.chunks import ChunkDigests
from hashing.reader import Reading
from metadata.models import StoredKind, StoredObject, StoredVersion

_PAGE = 500  # SQLite limits the variables of one statement

# Written and asked for each clip, hence built once, and past the unit of work where that is enough.
_AT_KEYS = select(StoredVersion).where(
    StoredVersion.vault == bindparam("vault"), StoredVersion.key.in_(bindparam("keys", expanding=True))
)
_KEPT = StoredVersion.lost_at.is_(None)
_BY_AGE = _AT_KEYS.where(_KEPT).order_by(StoredVersion.id)


FULL = "full"
"""Every byte was read back and hashed (storage.confirm.Confirmation; storage lies above this room)."""


def ensure(session: Session, reading: Reading, at: datetime) -> StoredObject:
    """Return the object with these bytes, adding it the first time."""
    sha256 = reading.sha256.hex
    found = session.get(StoredObject, sha256)
    if found is None:
        found = StoredObject(
            sha256=sha256,
            size=reading.size,
            other_digests=[str(d) for d in reading.digests if d.hex != sha256],
            chunk_size=reading.chunks.size,
            chunk_root=reading.chunks.root.hex,
            chunk_leaves=reading.chunks.leaves,
            created_at=at,
        )
        session.add(found)
        session.flush()
    return found


def chunks(row: StoredObject) -> ChunkDigests:
    """Return the chunk digests of an object."""
    return ChunkDigests(size=row.chunk_size, leaves=row.chunk_leaves)


class Described(Protocol):
    """A version as a vault describes it (storage.vault.StoredVersion; storage lies above this room)."""

    @property
    def key(self) -> str:
        """Name of the object."""

    @property
    def version(self) -> str:
        """Name of the version within its key."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def lock_mode(self) -> str:
        """How binding the lock is."""

    @property
    def lock_until(self) -> datetime | None:
        """Date of the lock, UTC."""

    @property
    def held(self) -> bool:
        """Whether a legal hold lies on it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A version that was put into a vault: what it holds, and how its bytes were compared there."""

    found: Described
    kind: StoredKind
    sha256: str
    confirmation: str
    """``checksum`` or ``full``."""


def note_stored(
    session: Session, vault: str, stored: Stored, at: datetime, *, confirmed: bool = False
) -> StoredVersion:
    """Note a version; the same version again refreshes its lock, and is never confirmed less than it was.

    ``confirmed``: the vault was asked for the exact version again, and ``found`` is what it answered.
    """
    (row,) = note_all_stored(session, vault, [stored], at)
    if confirmed and row.confirmed_at is None:
        row.confirmed_at = at
    return row


def note_all_stored(
    session: Session, vault: str, versions: Sequence[Stored], at: datetime
) -> list[StoredVersion]:
    """Note versions of different keys, like ``note_stored``."""
    keys = [stored.found.key for stored in versions]
    known = {(row.key, row.version): row for row in session.scalars(_AT_KEYS, {"vault": vault, "keys": keys})}
    rows = []
    for stored in versions:
        found = stored.found
        row = known.get((found.key, found.version))
        if row is None:
            row = StoredVersion(
                id=str(ULID()),
                vault=vault,
                key=found.key,
                version=found.version,
                kind=stored.kind.value,
                sha256=stored.sha256,
                size=found.size,
                lock_mode=str(found.lock_mode),
                lock_until=found.lock_until,
                held=found.held,
                confirmation=stored.confirmation,
                created_at=at,
            )
            session.add(row)
        else:
            row.lock_mode = str(found.lock_mode)
            row.lock_until = found.lock_until
            row.lost_at = None
            if row.confirmation != FULL:
                row.confirmation = stored.confirmation
        rows.append(row)
    session.flush()
    return rows


def note_confirmed(session: Session, found: Mapping[str, Described], at: datetime) -> None:
    """Note what a vault answered when it was asked for versions again, by the ids of their rows."""
    query = select(StoredVersion).where(StoredVersion.id.in_(list(found)))
    for row in session.scalars(query):
        said = found[row.id]
        row.lock_mode, row.lock_until, row.confirmed_at = str(said.lock_mode), said.lock_until, at
    session.flush()


def newest_at(session: Session, vault: str, keys: Iterable[str]) -> dict[str, StoredVersion]:
    """Return the newest version that the register holds of each key, where it holds one."""
    found = session.scalars(_BY_AGE, {"vault": vault, "keys": list(keys)})
    return {row.key: row for row in found}


def versions_at(session: Session, vault: str, key: str) -> list[StoredVersion]:
    """Return all versions the register holds of a key, but for those that were lost, oldest first."""
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.key == key, _KEPT)
    return list(session.scalars(query.order_by(StoredVersion.id)))


def below(session: Session, vault: str, keys: Iterable[str], prefix: str) -> list[StoredVersion]:
    """Return the versions of some keys, and of every key with a prefix, but for lost ones, oldest first."""
    beside = StoredVersion.key.startswith(prefix, autoescape=True)
    query = select(StoredVersion).where(
        StoredVersion.vault == vault, StoredVersion.key.in_(sorted(keys)) | beside, _KEPT
    )
    return list(session.scalars(query.order_by(StoredVersion.id)))


def is_superseded(session: Session, row: StoredVersion) -> bool:
    """Tell whether the register holds a newer version of the same key: the older one may be lost."""
    newer = select(StoredVersion.id).where(
        StoredVersion.vault == row.vault, StoredVersion.key == row.key, StoredVersion.id > row.id, _KEPT
    )
    return session.scalar(newer.limit(1)) is not None


def lacking(session: Session, source: str, target: str) -> int:
    """Return of how many keys one vault confirmed a version and the other, as far as is known, did not."""
    other = aliased(StoredVersion)
    there = exists().where(
        other.vault == target,
        other.key == StoredVersion.key,
        other.confirmed_at.is_not(None),
        other.lost_at.is_(None),
    )
    query = select(func.count(StoredVersion.key.distinct())).where(
        StoredVersion.vault == source, StoredVersion.confirmed_at.is_not(None), ~there
    )
    return session.scalar(query) or 0


def confirmations(session: Session, digests: Sequence[str]) -> dict[str, str]:
    """Return how the newest confirmed versions of originals were confirmed, by digest.

    Where two vaults hold them, the weaker of both.
    """
    found: dict[tuple[str, str], str] = {}
    for start in range(0, len(digests), _PAGE):
        query = (
            select(StoredVersion.sha256, StoredVersion.vault, StoredVersion.confirmation)
            .where(
                StoredVersion.sha256.in_(digests[start : start + _PAGE]),
                StoredVersion.kind == StoredKind.ORIGINAL.value,
                StoredVersion.confirmed_at.is_not(None),
            )
            .order_by(StoredVersion.id)
        )
        found.update(((digest, vault), how) for digest, vault, how in session.execute(query) if how)
    weakest: dict[str, str] = {}
    for (digest, _), how in found.items():
        weakest[digest] = how if weakest.get(digest, FULL) == FULL else weakest[digest]
    return weakest


def confirmation_counts(session: Session, vault: str) -> dict[str, int]:
    """Return how many originals in a vault were confirmed in which way."""
    query = select(StoredVersion.confirmation, func.count()).where(
        StoredVersion.vault == vault,
        StoredVersion.kind == StoredKind.ORIGINAL.value,
        StoredVersion.confirmed_at.is_not(None),
    )
    return {str(how): count for how, count in session.execute(query.group_by(StoredVersion.confirmation))}


def groups_after(session: Session, vault: str, key: str, limit: int) -> list[list[StoredVersion]]:
    """Return the versions of the next ``limit`` keys after ``key``, grouped by key, oldest first within one.

    Without those that were lost.

    Keys are in the order of their bytes, as vaults list them, whatever the database's own order is.
    """
    ordered = _bytewise(session)
    page = select(ordered).where(StoredVersion.vault == vault, _KEPT, ordered > key)
    keys = list(session.scalars(page.distinct().order_by(ordered).limit(limit)))
    found: dict[str, list[StoredVersion]] = {each: [] for each in keys}
    query = select(StoredVersion).where(StoredVersion.vault == vault, _KEPT, StoredVersion.key.in_(keys))
    for row in session.scalars(query.order_by(StoredVersion.id)):
        found[row.key].append(row)
    return list(found.values())


def _bytewise(session: Session) -> SQLColumnExpression[str]:
    """Return the column of keys so that it sorts by bytes; its index serves where the database does, too."""
    if session.get_bind().dialect.name != "postgresql":
        return StoredVersion.key
    order = session.scalar(text("SELECT datcollate FROM pg_database WHERE datname = current_database()"))
    return StoredVersion.key if order in {"C", "POSIX"} else StoredVersion.key.collate("C")
