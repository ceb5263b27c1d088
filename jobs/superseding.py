"""Versions that a vault lost and that were stored again: the newer one counts."""

from collections.abc import Iterable

from jobs.node import Node, Store
from metadata.models import StoredVersion
from metadata.repo import objects


def note_lost(node: Node, store: Store, keys: Iterable[str]) -> int:
    """Write down which older versions of these keys a vault does not hold any more; return how many.

    The newest one that the register names is never among them: that it is missing is a finding. What vaults
    raise when they are away passes through.
    """
    lost: list[str] = []
    for key in keys:
        with node.register.read() as session:
            rows = objects.versions_at(session, store.name, key)
        if len(rows) > 1:
            there = {found.version for found in store.vault.versions(key) if not found.marker}
            if rows[-1].version in there:
                lost += [row.id for row in rows if row.version not in there]
    if lost:
        at = node.clock.now()
        with node.register.write() as session:
            for row_id in lost:
                session.get_one(StoredVersion, row_id).lost_at = at
    return len(lost)
