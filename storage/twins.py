"""What lies on top of the version that counts: a twin harms nothing, everything else is a finding.

Two stations that store the same new bytes at the same moment make two versions of one key where the store
cannot refuse the second. Each may have read back and noted another of the two, and both are right. So a
newer version is a *twin*, and nobody need look at it, if its bytes are the same and a lock holds it: whoever
names no version gets the right bytes, and the lock keeps it so. Other bytes, a delete marker, or a version
that can be deleted are named.
"""

import time
from collections.abc import Callable
from io import BufferedReader

from hashing.digest import Digest
from storage.reading import read_all
from storage.vault import LockMode, Vault

_SETTLING_SECONDS = (0.25, 0.5, 1.0, 2.0)
"""The other station locks its version after it uploaded it: an unlocked one is looked at again."""

Same = Callable[[BufferedReader], bool]
"""Reads a version and tells whether it holds the bytes that count."""


def on_top(vault: Vault, key: str, version: str, same: Same, *, settle: bool = False) -> str | None:
    """Return what is wrong with what lies on top of a version; None if that is nothing, or twins.

    ``delete-marker``, ``newer-version`` (other bytes, or the version is not there at all) or
    ``newer-version-unlocked`` (the same bytes, which may go again). ``settle``: wait a little for a lock.
    """
    known: dict[str, bool] = {}

    def problem() -> str | None:
        versions = vault.versions(key)
        names = [found.version for found in versions]
        below = names.index(version) if version in names else None
        for found in versions[:below]:
            if found.marker:
                return "delete-marker"
            if found.version not in known:
                with vault.open(key, found.version) as stored:
                    known[found.version] = same(stored)
            if not known[found.version]:
                return "newer-version"
            if found.lock_mode not in {LockMode.COMPLIANCE, LockMode.ADVISORY}:
                return "newer-version-unlocked"
        return "newer-version" if below is None else None

    for seconds in _SETTLING_SECONDS if settle else ():
        if problem() != "newer-version-unlocked":
            break
        time.sleep(seconds)
    return problem()


def same_as(vault: Vault, key: str, version: str) -> Same:
    """Return what compares with the bytes of a version of the vault; it is read only if it has to be."""
    digests: list[Digest] = []

    def same(other: BufferedReader) -> bool:
        if not digests:
            with vault.open(key, version) as stored:
                digests.append(read_all(stored).sha256)
        return read_all(other).sha256.matches(digests[0])

    return same
