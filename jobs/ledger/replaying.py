"""Make the register's rows anew from the vault: all of them (``rebuild``), or those it lacks (``catch-up``).

The newest checkpoint in the vault says how many events there must be and what root they have. All event
bundles are read, every event is checked against that root before anything is written, and the rows are
what the events leave. Documents come from the vault by the digests that the rows name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, select
from ulid import ULID

from config.errors import LedgerForeignError, LedgerForkedError, LedgerIncompleteError, RebuildRefusedError
from config.messages import Phrase, mark
from hashing.edge import Edge
from hashing.log import Subtree
from hashing.merkle import leaf_hash
from jobs.ledger import reading, witnessing
from jobs.ledger.bundles import Spool, collect
from jobs.ledger.folding import Fold
from jobs.ledger.reading import Kept
from jobs.ledger.standing import compare
from jobs.ledger.writing import Progress, RowWriter
from jobs.node import Node, Store
from jobs.witnessing_client import WitnessingError
from metadata import events
from metadata.events import EventKind
from metadata.models import Base
from metadata.repo import ledger
from metadata.repo.ledger import Hashes

_EVENTS = Base.metadata.tables["custody_event"]
_NODES = Base.metadata.tables["ledger_node"]
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was replayed: events from ``first`` on, and rows written, by table."""

    first: int
    size: int
    rows: Mapping[str, int]
    missing: tuple[str, ...] = ()
    """Documents that rows name and the vault does not have: they had not come so far."""


def rebuild(node: Node, on_progress: Progress | None = None) -> Replayed:
    """Fill an empty register from the vault. Raises RebuildRefusedError unless it is empty.

    Raises LedgerIncompleteError and LedgerForkedError where the vault's events are not those of its newest
    checkpoint, LedgerForeignError for a checkpoint of another log, ObjectMissingError for a document that is
    gone, and VaultUnavailableError.
    """
    with node.register.read() as session:
        if ledger.size(session):
            raise RebuildRefusedError(problem=Phrase(mark("the register is not empty")))
    return _replay(node, node.stores[0], 0, on_progress)


def catch_up(node: Node, on_progress: Progress | None = None) -> Replayed:
    """Bring a register that is an old backup to where the vault is. Raises as ``rebuild`` does."""
    with node.register.read() as session:
        size = ledger.size(session)
    return _replay(node, node.stores[0], size, on_progress)


def _replay(node: Node, store: Store, first: int, on_progress: Progress | None) -> Replayed:
    head = reading.newest(store.vault, node.log)
    if head is None:
        raise RebuildRefusedError(problem=Phrase(mark("it holds no checkpoint of this log")))
    size = head.checkpoint.size
    _require_none_ahead(node, max(first, size))
    if size <= first:
        compare(node)
        return Replayed(first, first, {})
    with Spool() as spool, Fold() as fold:
        collect(store.vault, node.log.origin, spool, first, size, on_progress, node.hands)
        nodes = _prove(node, spool, fold, first, head)
        with (
            node.register.connection() as connection,
            RowWriter(node, connection, on_progress) as writer,
        ):
            _require_unchanged(connection, first)
            rows = writer.write(fold)
            _write_log(connection, spool, nodes)
            writer.adopt_ledger(store, spool)
    _close(node, first, size, writer.missing)
    return Replayed(first, size, rows, tuple(writer.missing))


def _require_unchanged(connection: Connection, size: int) -> None:
    """Raise RebuildRefusedError if another command has written events since the register was looked at."""
    last = connection.scalar(select(func.max(_EVENTS.c.sequence)))
    if (0 if last is None else last + 1) != size:
        raise RebuildRefusedError(problem=Phrase(mark("another command writes into the register")))


def _require_none_ahead(node: Node, size: int) -> None:
    """Raise RebuildRefusedError if a witness holds more of the log than there is: going on would fork it."""
    for witness in witnessing.witnesses(node):
        try:
            head = witnessing.seen(node, witness)
        except (WitnessingError, LedgerForeignError):
            continue  # it does not answer, or somebody else does
        if head is not None and head.size > size:
            problem = mark("{holder} holds {held} events of the log, vault and register at most {size}")
            facts = {"holder": witness.url, "held": head.size, "size": size}
            raise RebuildRefusedError(problem=Phrase(problem, **facts))


def _write_log(connection: Connection, spool: Spool, nodes: Iterable[Subtree]) -> None:
    """Write the events as they are, and the inner nodes over them."""
    found = iter(spool)
    while page := list(islice(found, _PAGE)):
        connection.execute(insert(_EVENTS), [_event_row(*event) for event in page])
    rows = [{"level": node.level, "position": node.index, "hash": node.hash} for node in nodes]
    if rows:
        connection.execute(insert(_NODES), rows)


def _event_row(sequence: int, body: bytes, salt: bytes) -> dict[str, Any]:
    event = orjson.loads(body)
    return {
        "sequence": sequence,
        "kind": event["kind"],
        "subject": event["subject"],
        "attempt": event["attempt"],
        "clip_id": event["clip"],
        "docking_id": event["docking"],
        "at": datetime.fromisoformat(event["at"]),
        "body": body,
        "salt": salt,
        "leaf_hash": leaf_hash(events.entry(salt, body)),
    }


def _close(node: Node, first: int, size: int, missing: list[str]) -> None:
    """Log that it was done."""
    with node.register.write() as session:
        kind = EventKind.CAUGHT_UP if first else EventKind.REBUILT
        facts = {"first": first, "size": size, "missing": len(missing)}
        at = node.clock.now()
        events.append(session, kind, node.actor, at, attempt=str(ULID()), subject="register", facts=facts)


def _prove(node: Node, spool: Spool, fold: Fold, first: int, head: Kept) -> list[Subtree]:
    """See that the events are those of the checkpoint; fold their rows; return the inner nodes they make."""
    with node.register.read() as session:
        edge = Edge.of(Hashes(session), first)
    nodes: list[Subtree] = []
    for sequence, body, salt in spool:
        if sequence != edge.size:
            break
        nodes += edge.append(leaf_hash(events.entry(salt, body)))
        try:
            fold.add(sequence, orjson.loads(body))
        except ValueError as error:
            raise LedgerIncompleteError(first=sequence, problem=str(error)) from error
    if edge.size != head.checkpoint.size:
        raise LedgerIncompleteError(first=edge.size, problem=Phrase(mark("no bundle has it")))
    if edge.root() != head.checkpoint.root:
        if first:  # what the register had before is another history
            raise LedgerForkedError(size=edge.size, holder=head.key, key=head.key)
        raise LedgerIncompleteError(first=0, problem=Phrase(mark("an event is not the one that was logged")))
    return nodes
