"""Confirm what a vault holds: asked of the vault, never assumed from what was sent to it.

1. The newest version of the key is the one that was stored, or a twin of it (``storage.twins``).
2. Its size is the clip's.
3. Its lock holds at least until the date that was asked for. If not, the lock is set again, once,
   and read back.

The bytes were read back when they were published (``StoredVersion.read_back``) or adopted; what is
asked here is whether the store still says the same of that exact version.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from config.errors import DigestMismatchError, LockMissingError, ObjectConflictError, ObjectMissingError
from storage import twins
from storage.vault import LockMode, StoredVersion, Vault


class Confirmation(StrEnum):
    """How a stored version was confirmed."""

    CHECKSUM = "checksum"
    """The store compared a checksum of its own."""
    FULL = "full"
    """Every byte was read back and hashed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the vault must say of a version. ``lock_until`` is the least date (UTC)."""

    key: str
    version: str
    size: int
    lock_until: datetime


def confirm(vault: Vault, expected: Expected) -> StoredVersion:
    """Return what the vault says of the version, once that is what it must be.

    Raises ObjectMissingError, ObjectConflictError (something else lies on top), DigestMismatchError
    (another size) or LockMissingError (the lock cannot be set).
    """
    versions = vault.versions(expected.key)
    if not versions:
        raise ObjectMissingError(key=expected.key)
    if versions[0].version != expected.version and _covered(vault, expected):
        raise ObjectConflictError(key=expected.key, expected=expected.version, found=versions[0].version)
    found = vault.head(expected.key, expected.version)
    if found.size != expected.size:
        raise DigestMismatchError(
            what=expected.key, algorithm="size", expected=str(expected.size), found=str(found.size)
        )
    if not locked(found, expected.lock_until):
        vault.extend_lock(expected.key, expected.version, expected.lock_until)
        found = vault.head(expected.key, expected.version)
    if not locked(found, expected.lock_until):
        raise LockMissingError(
            key=expected.key,
            expected=expected.lock_until.isoformat(),
            found="none" if found.lock_until is None else found.lock_until.isoformat(),
        )
    return found


def _covered(vault: Vault, expected: Expected) -> bool:
    same = twins.same_as(vault, expected.key, expected.version)
    return twins.on_top(vault, expected.key, expected.version, same, settle=True) is not None


def locked(found: StoredVersion, until: datetime) -> bool:
    """Tell whether a version's lock holds at least until a date."""
    return binding(found) and found.lock_until is not None and found.lock_until >= until


def binding(found: StoredVersion) -> bool:
    """Tell whether a lock is one that counts: governance can be lifted by who has a permission."""
    return found.lock_mode in {LockMode.COMPLIANCE, LockMode.ADVISORY}
