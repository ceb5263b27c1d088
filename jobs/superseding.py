"""Versions that a vault lost while it holds another one of the same bytes: that one counts from then on."""

from collections.abc import Iterable

from jobs.node import Node, Store
from metadata.models import StoredVersion
from metadata.repo import objects


def note_lost(node: Node, store: Store, keys: Iterable[str]) -> int:
    """Write down which versions of these keys a vault does not hold any more; return how many.

    Only where it holds a confirmed one of the same bytes: that all are missing is a finding. What vaults
    raise when they are away passes through.
    """
    lost: list[str] = []
    for key in keys:
        with node.register.read() as session:
            rows = objects.versions_at(session, store.name, key)
        if len(rows) > 1:
            there = {found.version for found in store.vault.versions(key) if not found.marker}
            kept = {row.sha256 for row in rows if row.version in there and row.confirmed_at is not None}
            lost += [row.id for row in rows if row.version not in there and row.sha256 in kept]
    if lost:
        at = node.clock.now()
        with node.register.write() as session:
            for row_id in lost:
                session.get_one(StoredVersion, row_id).lost_at = at
    return len(lost)
