"""What stored versions are kept for, and so how long they have to be locked."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from metadata.models import StoredVersion
from metadata.repo import locks
from metadata.repo.locks import Keeper
from storage import layout


def keepers_of(session: Session, rows: Sequence[StoredVersion]) -> dict[str, Keeper]:
    """Return what each row is kept for, by the rows' ids."""
    kept_for = {row.id: found for row in rows if (found := layout.belongs(row.key)) is not None}
    names: dict[str, set[str]] = {
        "clips": set(),
        "dockings": set(),
        "derived": set(),
        "events": set(),
        "ledger": set(),
    }
    for found in kept_for.values():
        names[found.folder].add(found.name)
    keepers = {
        "clips": locks.of_objects(session, names["clips"]),
        "dockings": locks.of_dockings(session, names["dockings"]),
        "derived": locks.of_derived(session, names["derived"]),
        "events": locks.of_clips(session, names["events"]),
        "ledger": dict.fromkeys(names["ledger"], locks.LEDGER),
    }
    return {
        row: keepers[found.folder][found.name]
        for row, found in kept_for.items()
        if found.name in keepers[found.folder]
    }
