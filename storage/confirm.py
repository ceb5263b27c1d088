"""Confirm what a vault holds: asked of the vault, never assumed from what was sent to it.

1. The newest version of the key is the one that was stored, or a twin of it (``storage.twins``).
2. Its size is the clip's.
3. Its lock holds at least until the date that was asked for. If not, the lock is set again, once,
   and read back.

The bytes were compared when they were published or adopted (``confirmation_of``); what is asked here is
whether the store still says the same of that exact version.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from config.errors import (
    DigestMismatchError,
    LockMissingError,
    LockShorteningError,
    ObjectConflictError,
    ObjectMissingError,
)
from storage import twins
from storage.vault import LockMode, StoredVersion, Vault


class Confirmation(StrEnum):
    """How a stored version was confirmed."""

    CHECKSUM = "checksum"
    """The checksum that the store made of what it received was compared; nothing was read back."""
    FULL = "full"
    """Every byte was read back and hashed."""


def confirmation_of(put: StoredVersion) -> Confirmation:
    """Return how the bytes of a put were compared with what they should be."""
    return Confirmation.CHECKSUM if put.read_back is None else Confirmation.FULL


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
    found = versions[0]
    if found.version != expected.version:
        if _covered(vault, expected):
            raise ObjectConflictError(key=expected.key, expected=expected.version, found=found.version)
        found = vault.head(expected.key, expected.version)
    if found.size != expected.size:
        raise DigestMismatchError(
            what=expected.key, algorithm="size", expected=str(expected.size), found=str(found.size)
        )
    if locked(found, expected.lock_until):
        return found
    return extend(vault, expected.key, expected.version, expected.lock_until)


def extend(vault: Vault, key: str, version: str, until: datetime) -> StoredVersion:
    """Lock exactly this version at least until a date, whatever lies on top, and ask what it is then.

    Raises ObjectMissingError, LockMissingError (it does not read back so) or VaultUnavailableError.
    """
    with suppress(LockShorteningError):  # it has a later date than the register knows of
        vault.extend_lock(key, version, until)
    found = vault.head(key, version)
    _require_lock(found, until)
    return found


def _require_lock(found: StoredVersion, until: datetime) -> None:
    if not locked(found, until):
        raise LockMissingError(
            key=found.key,
            expected=until.isoformat(),
            found="none" if found.lock_until is None else found.lock_until.isoformat(),
        )


def _covered(vault: Vault, expected: Expected) -> bool:
    same = twins.same_as(vault, expected.key, expected.version)
    return twins.on_top(vault, expected.key, expected.version, same, settle=True) is not None


def locked(found: StoredVersion, until: datetime) -> bool:
    """Tell whether a version's lock holds at least until a date."""
    return binding(found) and found.lock_until is not None and found.lock_until >= until


def binding(found: StoredVersion) -> bool:
    """Tell whether a lock is one that counts: governance can be lifted by who has a permission."""
    return found.lock_mode in {LockMode.COMPLIANCE, LockMode.ADVISORY}
