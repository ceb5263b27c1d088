"""Whether a vault holds the events, tiles and entries that a checkpoint stands on, by their names."""

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hashing import tiles
from metadata.models import CustodyEvent
from metadata.repo.ledger import REGISTER
from storage import layout
from storage.vault import Vault


def lacking(session: Session, vault: Vault, origin: str, size: int) -> Iterator[tuple[str, int | None]]:
    """Yield what a vault lacks of the first ``size`` events: keys, or what keys begin with, and an event.

    What an object holds is not looked at here: names say which events a bundle was made of. What vaults raise
    passes through.
    """
    if size == 0:
        return
    yield from _events(session, vault, size)
    there = set(vault.keys(f"{layout.ledger_prefix(origin)}tile/"))
    paths = [*(tile.path for tile in tiles.tiles(size)), *(bundle.path for bundle in tiles.bundles(size))]
    for path in paths:
        key = layout.ledger_key(origin, path)
        if key not in there:
            yield key, None


def _events(session: Session, vault: Vault, size: int) -> Iterator[tuple[str, int | None]]:
    """Merge the register's subjects with the vault's bundles: both are in the order of their names."""
    bundles = groupby(_ranges(vault), lambda item: item[0])
    subject, ranges = next(bundles, ("", iter(())))
    for wanted, count, first in _subjects(session, size):
        while subject and subject < wanted:
            subject, ranges = next(bundles, ("", iter(())))
        found = 0
        if subject == wanted:
            covered = -1
            for _, begin, end in ranges:
                found += _count(session, wanted, max(begin, covered + 1), min(end, size - 1))
                covered = max(covered, end)
            subject, ranges = next(bundles, ("", iter(())))
        if found < count:
            yield f"events/{wanted}/", first


def _ranges(vault: Vault) -> Iterator[tuple[str, int, int]]:
    for key in vault.keys("events/"):
        numbers = layout.events_range(key)
        if numbers is not None:
            yield key.split("/")[1], *numbers


def _subjects(session: Session, size: int) -> Iterator[tuple[str, int, int]]:
    """Yield each clip, and at last the register, with the number of its events and the first of them."""
    clip = CustodyEvent.clip_id
    query = select(clip, func.count(), func.min(CustodyEvent.sequence)).where(CustodyEvent.sequence < size)
    rest: list[tuple[str, int, int]] = []
    grouped = query.group_by(clip).order_by(clip).execution_options(yield_per=1000)
    for name, count, first in session.connection().execute(grouped):
        if name is None:
            rest.append((REGISTER, count, first))
        else:
            yield name, count, first
    yield from rest


def _count(session: Session, subject: str, first: int, last: int) -> int:
    clip = CustodyEvent.clip_id
    query = select(func.count()).where(CustodyEvent.sequence.between(first, last))
    query = query.where(clip.is_(None) if subject == REGISTER else clip == subject)
    return session.scalar(query) or 0
