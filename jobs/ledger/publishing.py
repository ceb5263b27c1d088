"""Bring the ledger to the vaults: event bundles, tiles, entries, and at last the checkpoint.

The order matters: a checkpoint in a vault says that everything below it is there, too. Each object is
content-bound to its name, so a repeat after a crash finds the same bytes and adopts them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from config.errors import SealdockError
from hashing import log
from hashing.checkpoint import Checkpoint
from hashing.digest import Digest
from jobs.ledger import parts, witnessing
from jobs.ledger.keys import Log
from jobs.ledger.parts import Part
from jobs.node import Node, Store
from metadata.repo import ledger, locks, objects
from metadata.repo.ledger import Hashes
from metadata.repo.objects import Stored
from metadata.retention import LegalDate, lock_date
from storage.confirm import confirmation_of

_BATCH = 64


@dataclass(slots=True)
class Published:
    """What a publication brought, by vault or witness: the leaves it holds now, or why it failed."""

    size: int
    holders: dict[str, int] = field(default_factory=dict)
    failed: dict[str, SealdockError] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    """Witnesses that did not cosign now, and why: nothing waits for them."""


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
        found = parts.cosignatures(session, its_log.origin, size)
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
        note = parts.checkpoint(session, its_log.origin, size)
        if note is None:
            raise ValueError(f"no checkpoint of size {size}")
        found = parts.added(session, its_log.origin, start, size)
        while batch := list(islice(found, _BATCH)):
            _put(node, store, pool, batch)
        # Now that all it stands on is there.
        _put(node, store, pool, [note])
    with node.register.write() as session:
        ledger.note_standing(session, store.name, node.clock.now(), size=size, published=size)


def _put(node: Node, store: Store, pool: ThreadPoolExecutor, batch: Sequence[Part]) -> None:
    """Put objects into a vault, locked, and write down what it made of them."""
    with node.register.read() as session:
        keepers = locks.of_clips(session, {item.clip for item in batch if item.clip is not None})
        now = node.weigh_clock(session).trusted

    def put(item: Part) -> Stored:
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
