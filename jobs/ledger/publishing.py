"""Bring the ledger to the vaults: event bundles, tiles, entries, and at last the checkpoint.

The order matters: a checkpoint in a vault says that everything below it is there, too. Each object is
content-bound to its name, so a repeat after a crash finds the same bytes and adopts them.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice

from sqlalchemy.orm import Session

from config.errors import SealdockError
from hashing import canonical, log, tiles
from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from hashing.notes import Vkey
from jobs.ledger import witnessing
from jobs.ledger.keys import Log
from jobs.node import Node, Store
from metadata import events
from metadata.models import CustodyEvent, StoredKind
from metadata.repo import ledger, locks, objects
from metadata.repo.ledger import Hashes, Logged
from metadata.repo.objects import Stored
from metadata.retention import LegalDate, lock_date
from storage import layout
from storage.confirm import confirmation_of

SCHEMA = "sealdock.events/1"
_BUNDLE_BYTES = 4 << 20
"""A bundle is closed when its events have so many bytes; a single event may be larger."""
_BATCH = 64


@dataclass(slots=True)
class Published:
    """What a publication brought, by vault or witness: the leaves it holds now, or why it failed."""

    size: int
    holders: dict[str, int] = field(default_factory=dict)
    failed: dict[str, SealdockError] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    """Witnesses that did not cosign now, and why: nothing waits for them."""


@dataclass(frozen=True, slots=True)
class _Object:
    key: str
    data: bytes
    kind: StoredKind
    clip: str | None = None


def publish(node: Node) -> Published | None:
    """Sign a checkpoint of the log as it is now, and bring what is new to every vault.

    A vault that does not answer is noted and left for the next time. None if this home does not have the
    log's key.
    """
    its_log = node.log
    if its_log.key is None:
        return None
    size = sign(node, its_log)
    done = Published(size)
    for store in node.stores:
        with node.register.read() as session:
            known = ledger.standing(session, store.name)
        start = known.published if known is not None else 0
        if start < size:
            try:
                _bring(node, its_log, store, start, size)
            except SealdockError as error:
                with node.register.write() as session:
                    ledger.note_standing(session, store.name, node.clock.now(), problem=error.code)
                done.failed[store.name] = error
                continue
        done.holders[store.name] = size
    for witness in witnessing.witnesses(node):
        problem = witnessing.cosign(node, witness, size)
        if problem is None:
            done.holders[witness.name] = size
        elif isinstance(problem, SealdockError):
            done.failed[witness.name] = problem
        else:
            done.silent[witness.name] = problem.problem
    _bring_cosignatures(node, its_log, size, done)
    return done


def _bring_cosignatures(node: Node, its_log: Log, size: int, done: Published) -> None:
    """Put the lines of the witnesses beside the checkpoint."""
    with node.register.read() as session:
        found = [
            _Object(
                layout.cosignature_key(its_log.origin, size, Vkey.parse(row.witness).key_id),
                f"{row.line}\n".encode(),
                StoredKind.LEDGER,
            )
            for row in ledger.cosignatures(session, size)
        ]
    if not found:
        return
    for store in node.stores:
        if store.name in done.holders:
            try:
                with ThreadPoolExecutor(1) as pool:
                    _put(node, store, pool, found)
            except SealdockError as error:
                done.failed[store.name] = error


def sign(node: Node, its_log: Log) -> int:
    """Sign the log's head and keep the note; return its size."""
    if its_log.key is None:
        raise ValueError("this home does not have the log's key")
    with node.register.read() as session:
        size = ledger.size(session)
        if ledger.checkpoint(session, size) is not None:
            return size
        head = Checkpoint(its_log.origin, size, log.tree_root(Hashes(session), size))
    note = head.sign(its_log.key).spell()
    with node.register.write() as session:
        ledger.add_checkpoint(session, size, note, node.clock.now())
    return size


def _bring(node: Node, its_log: Log, store: Store, start: int, size: int) -> None:
    with node.register.read() as session, ThreadPoolExecutor(node.settings.docking.parallel) as pool:
        note = ledger.checkpoint(session, size)
        if note is None:
            raise ValueError(f"no checkpoint of size {size}")
        found = _objects(session, its_log, start, size)
        while batch := list(islice(found, _BATCH)):
            _put(node, store, pool, batch)
        # Now that all it stands on is there.
        key = layout.checkpoint_key(its_log.origin, size)
        _put(node, store, pool, [_Object(key, note, StoredKind.LEDGER)])
    with node.register.write() as session:
        ledger.note_standing(session, store.name, node.clock.now(), size=size, published=size)


def _put(node: Node, store: Store, pool: ThreadPoolExecutor, batch: Sequence[_Object]) -> None:
    """Put objects into a vault, locked, and write down what it made of them."""
    with node.register.read() as session:
        keepers = locks.of_clips(session, {item.clip for item in batch if item.clip is not None})
        now = node.weigh_clock(session).trusted

    def put(item: _Object) -> Stored:
        legal = locks.LEDGER.legal if item.clip is None else keepers[item.clip].legal
        if legal.until is None and not legal.permanent:
            legal = LegalDate(now, permanent=False)
        cap = node.settings.retention.lock_cap_months
        until = lock_date(legal, now, cap, floor=node.schedule.floor)
        found = store.vault.put_bytes(item.key, item.data, lock_until=until)
        return Stored(found, item.kind, Digest.sha256(item.data).hex, confirmation_of(found).value)

    done = list(pool.map(put, batch))
    at = node.clock.now()
    with node.register.write() as session:
        for row in objects.note_all_stored(session, store.name, done, at):
            row.confirmed_at = row.confirmed_at or at


def _objects(session: Session, its_log: Log, start: int, size: int) -> Iterator[_Object]:
    for clip, found in groupby(ledger.by_subject(session, start, size), lambda event: event.clip):
        for bundle in _split(found):
            subject = clip or ledger.REGISTER
            key = layout.events_key(subject, bundle[0].sequence, bundle[-1].sequence)
            yield _Object(key, spell(its_log.origin, bundle), StoredKind.EVENTS, clip)
    hashes = Hashes(session)
    for tile in tiles.tiles(size, start):
        yield _Object(layout.ledger_key(its_log.origin, tile.path), tile.read(hashes), StoredKind.LEDGER)
    for entries in tiles.bundles(size, start):
        data = entries.encode(_entries(session, entries.first, entries.width))
        yield _Object(layout.ledger_key(its_log.origin, entries.path), data, StoredKind.LEDGER)


def _split(found: Iterable[Logged]) -> Iterator[list[Logged]]:
    """Cut a subject's events into bundles of bounded size."""
    bundle: list[Logged] = []
    length = 0
    for event in found:
        if bundle and length + len(event.body) > _BUNDLE_BYTES:
            yield bundle
            bundle, length = [], 0
        bundle.append(event)
        length += len(event.body)
    if bundle:
        yield bundle


def spell(origin: str, bundle: list[Logged]) -> bytes:
    """Return a bundle's bytes (docs/formats.md)."""
    return canonical.encode(
        {
            "schema": SCHEMA,
            "origin": origin,
            "events": [
                {
                    "sequence": event.sequence,
                    "body": event.body.decode("utf-8"),
                    "salt": base64.b64encode(event.salt).decode("ascii"),
                }
                for event in bundle
            ],
        }
    )


def _entries(session: Session, first: int, count: int) -> list[bytes]:
    query = (
        CustodyEvent.__table__.select()
        .with_only_columns(CustodyEvent.salt, CustodyEvent.body)
        .where(CustodyEvent.sequence.between(first, first + count - 1))
        .order_by(CustodyEvent.sequence)
    )
    return [events.entry(salt, body) for salt, body in session.execute(query)]
