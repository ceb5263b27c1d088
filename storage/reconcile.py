"""Compare what a vault holds with what a register says it holds: two lists in key order, merged.

Flat in memory, whatever the vault holds. While it runs others store and write down, so a difference between
the two lists is a question only: whoever gets it asks both sides again before it counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from config.errors import ObjectMissingError
from storage.confirm import binding, locked
from storage.vault import Listed, Vault


class Kind(StrEnum):
    """How vault and register differ at one key."""

    ORPHAN = "orphan"
    """A version that the register names nothing at the key of."""
    NEWER = "newer-version"
    """One that the register does not name lies on top of the one it names."""
    EXTRA = "extra-version"
    """One that the register does not name lies below; it hides nothing."""
    MARKER = "delete-marker"
    """A delete marker lies on top."""
    MISSING = "missing"
    """The register names a version that the vault does not hold."""
    SIZE = "size"
    LOCK_MISSING = "lock-missing"
    LOCK_SHORT = "lock-short"


@dataclass(frozen=True, slots=True)
class Row:
    """A version as the register names it; ``lock_until`` is UTC."""

    key: str
    version: str
    size: int
    lock_until: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; ``version`` is the vault's, or the register's if the vault has none."""

    kind: Kind
    key: str
    version: str
    size: int


def compare(
    vault: Vault, rows: Iterable[tuple[Row, ...]], *, locks: bool, leave_out: tuple[str, ...] = ()
) -> Iterator[Difference]:
    """Yield every difference. ``rows`` are grouped by key, keys ascending, oldest first within a key.

    ``locks``: ask for size and lock of every version, too, a request each. Keys of the vault that begin with
    one of ``leave_out`` are passed over. VaultUnavailableError passes through.
    """
    ours = iter(rows)
    group = next(ours, None)
    for listed in vault.listing():
        key = listed[0].key
        while group is not None and group[0].key < key:
            yield from _missing(group)
            group = next(ours, None)
        if group is not None and group[0].key == key:
            yield from _at_key(vault, listed, group, locks=locks)
            group = next(ours, None)
        elif not key.startswith(leave_out):
            yield from _orphans(listed)
    while group is not None:
        yield from _missing(group)
        group = next(ours, None)


def compare_at(vault: Vault, key: str, rows: tuple[Row, ...], *, locks: bool) -> Iterator[Difference]:
    """Do so for one key, asking for nothing else."""
    listed = tuple(Listed(key, found.version, found.size, found.marker) for found in vault.versions(key))
    if not rows:
        yield from _orphans(listed)
    elif not listed:
        yield from _missing(rows)
    else:
        yield from _at_key(vault, listed, rows, locks=locks)


def _missing(rows: tuple[Row, ...]) -> Iterator[Difference]:
    for row in rows:
        yield Difference(Kind.MISSING, row.key, row.version, row.size)


def _orphans(listed: tuple[Listed, ...]) -> Iterator[Difference]:
    """Yield the newest version as an orphan, and what lies below as extra; markers hide nothing of ours."""
    versions = [item for item in listed if not item.marker]
    for index, item in enumerate(versions):
        yield Difference(Kind.EXTRA if index else Kind.ORPHAN, item.key, item.version, item.size)


def _at_key(
    vault: Vault, listed: tuple[Listed, ...], rows: tuple[Row, ...], *, locks: bool
) -> Iterator[Difference]:
    named = {row.version for row in rows}
    there = {item.version: item for item in listed if not item.marker}
    if listed[0].marker:
        yield Difference(Kind.MARKER, listed[0].key, listed[0].version, 0)
    below = False
    for item in listed:
        if item.marker:
            continue
        if item.version in named:
            below = True
        else:
            yield Difference(Kind.EXTRA if below else Kind.NEWER, item.key, item.version, item.size)
    for row in rows:
        found = there.get(row.version)
        if found is None:
            yield Difference(Kind.MISSING, row.key, row.version, row.size)
        elif found.size != row.size:
            yield Difference(Kind.SIZE, row.key, row.version, found.size)
        elif locks and (kind := _lock_difference(vault, row)) is not None:
            yield Difference(kind, row.key, row.version, row.size)


def _lock_difference(vault: Vault, row: Row) -> Kind | None:
    try:
        found = vault.head(row.key, row.version)
    except ObjectMissingError:
        return Kind.MISSING
    if not binding(found):
        return Kind.LOCK_MISSING
    if row.lock_until is not None and not locked(found, row.lock_until):
        return Kind.LOCK_SHORT
    return None
