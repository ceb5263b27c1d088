"""Objects and the exact versions that vaults hold of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import SQLColumnExpression, select, text, update
from sqlalchemy.orm import Session
from ulid import ULID

from hashing.chunks import ChunkDigests
from hashing.reader import Reading
from metadata.models import StoredKind, StoredObject, StoredVersion


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


def note_stored(
    session: Session, vault: str, found: Described, kind: StoredKind, sha256: str, at: datetime
) -> StoredVersion:
    """Note a version that a vault described; the same version again only refreshes its lock."""
    return note_all_stored(session, vault, [(found, kind, sha256)], at)[0]


def note_all_stored(
    session: Session, vault: str, versions: Sequence[tuple[Described, StoredKind, str]], at: datetime
) -> list[StoredVersion]:
    """Note versions of different keys, each with its kind and digest, like ``note_stored``."""
    query = select(StoredVersion).where(
        StoredVersion.vault == vault, StoredVersion.key.in_([found.key for found, _, _ in versions])
    )
    known = {(row.key, row.version): row for row in session.scalars(query)}
    rows = []
    for found, kind, sha256 in versions:
        row = known.get((found.key, found.version))
        if row is None:
            row = StoredVersion(
                id=str(ULID()),
                vault=vault,
                key=found.key,
                version=found.version,
                kind=kind.value,
                sha256=sha256,
                size=found.size,
                lock_mode=str(found.lock_mode),
                lock_until=found.lock_until,
                created_at=at,
            )
            session.add(row)
        else:
            row.lock_mode = str(found.lock_mode)
            row.lock_until = found.lock_until
        rows.append(row)
    session.flush()
    return rows


def note_confirmed(session: Session, found: Mapping[str, Described], confirmation: str, at: datetime) -> None:
    """Note what a vault answered when it was asked for versions again, by the ids of their rows."""
    for row in session.scalars(select(StoredVersion).where(StoredVersion.id.in_(found))):
        row.lock_mode = str(found[row.id].lock_mode)
        row.lock_until = found[row.id].lock_until
    session.execute(
        update(StoredVersion)
        .where(StoredVersion.id.in_(found))
        .values(confirmation=confirmation, confirmed_at=at)
        .execution_options(synchronize_session=False)
    )


def newest_at(session: Session, vault: str, keys: Iterable[str]) -> dict[str, StoredVersion]:
    """Return the newest version that the register holds of each key, where it holds one."""
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.key.in_(list(keys)))
    return {row.key: row for row in session.scalars(query.order_by(StoredVersion.id))}


def versions_at(session: Session, vault: str, key: str) -> list[StoredVersion]:
    """Return all versions the register holds of a key, oldest first."""
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.key == key)
    return list(session.scalars(query.order_by(StoredVersion.id)))


def groups_after(session: Session, vault: str, key: str, limit: int) -> list[list[StoredVersion]]:
    """Return the versions of the next ``limit`` keys after ``key``, grouped by key, oldest first within one.

    Keys are in the order of their bytes, as vaults list them, whatever the database's own order is.
    """
    ordered = _bytewise(session)
    page = select(ordered).where(StoredVersion.vault == vault, ordered > key)
    keys = list(session.scalars(page.distinct().order_by(ordered).limit(limit)))
    found: dict[str, list[StoredVersion]] = {each: [] for each in keys}
    query = select(StoredVersion).where(StoredVersion.vault == vault, StoredVersion.key.in_(keys))
    for row in session.scalars(query.order_by(StoredVersion.id)):
        found[row.key].append(row)
    return list(found.values())


def _bytewise(session: Session) -> SQLColumnExpression[str]:
    """Return the column of keys so that it sorts by bytes; its index serves where the database does, too."""
    if session.get_bind().dialect.name != "postgresql":
        return StoredVersion.key
    order = session.scalar(text("SELECT datcollate FROM pg_database WHERE datname = current_database()"))
    return StoredVersion.key if order in {"C", "POSIX"} else StoredVersion.key.collate("C")
