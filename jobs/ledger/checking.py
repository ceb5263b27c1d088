"""``sealdock ledger check``: whether the register still says what its ledger says.

1. Every event: its number follows, its columns and its leaf hash are those of its bytes, and the inner
   nodes those of the leaves.
2. The log: at the size of each checkpoint that the register, a vault or a witness holds, it has the root
   that was signed. An event that was changed together with its hashes is found here.
3. Every row: it is what its events left, and there is none that they do not know. Documents that the
   register keeps have the digests that name them.

What was appended after the last checkpoint that somebody else holds can be rewritten without a trace; the
report says where that begins.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Row, Table, select
from sqlalchemy.orm import Session

from config.errors import LedgerForeignError, SealdockError
from hashing.checkpoint import open_note
from hashing.edge import Edge
from hashing.log import TILE_WIDTH
from hashing.merkle import leaf_hash
from hashing.notes import NoteError
from jobs.ledger import coverage, reading, spelling, witnessing
from jobs.ledger.folding import Expected, Fold
from jobs.ledger.keys import Log
from jobs.node import Node, Store
from jobs.witnessing_client import WitnessingError
from metadata import events
from metadata.events import EventKind
from metadata.images import LEFT_OUT, Image, Shape, shapes
from metadata.models import LEDGER_KINDS, Base, CustodyEvent, LedgerNode
from metadata.repo import integrity, ledger

REGISTER = "register"
"""Holder of the checkpoints that the register itself keeps."""

_SHOWN = 1000
_PAGE = 2000
_LONGEST_GAP = 1_000_000
"""Numbers without an event; a later one was made up."""
_EVENTS = Base.metadata.tables["custody_event"]
_TABLE = CustodyEvent.__table__.c
_EVENT = (
    _TABLE.sequence, _TABLE.kind, _TABLE.subject, _TABLE.attempt, _TABLE.clip_id, _TABLE.docking_id,
    _TABLE.at, _TABLE.body, _TABLE.salt, _TABLE.leaf_hash,
)  # fmt: skip
_DOCUMENTS = {
    "seal": (("manifest", "manifest_sha256"),),
    "docking": (("inventory", "inventory_digest"), ("close", "close_digest")),
}
"""Documents that the register keeps, and the columns with their digests."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the ledger has it."""

    what: str
    """``event-edited``, ``event-missing``, ``node-edited``, ``row-edited``, ``row-removed``, ``row-added``,
    ``document-edited``, ``bundle-missing``, ``results-edited``, ``history-rewritten``,
    ``checkpoint-foreign``, ``behind``."""
    table: str | None = None
    key: str | None = None
    """Primary key of the row, key of the object, or who holds the checkpoint."""
    event: int | None = None
    """Number of the event that says otherwise; for a checkpoint its size."""
    columns: tuple[str, ...] = ()
    clip: str | None = None


@dataclass(slots=True)
class Checked:
    """What was checked, and what was found; ``differences`` names the first thousand."""

    events: int = 0
    rows: int = 0
    root: bytes = b""
    holders: dict[str, int] = field(default_factory=dict)
    """Who holds a checkpoint of this history, and the largest size of it."""
    silent: list[str] = field(default_factory=list)
    """Who was asked and did not answer."""
    found: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def witnessed(self) -> int:
        """Up to where the history is held by somebody but the register."""
        return max((size for name, size in self.holders.items() if name != REGISTER), default=0)

    def note(self, difference: Difference) -> None:
        """Count a difference; there may be millions."""
        self.found += 1
        if len(self.differences) < _SHOWN:
            self.differences.append(difference)


@dataclass(frozen=True, slots=True)
class _Signed:
    size: int
    root: bytes
    holder: str
    key: str


def check(
    node: Node, on_progress: Callable[[int, int], None] | None = None, *, folder: Path | None = None
) -> Checked:
    """Check events, log and rows of the register against each other and against all checkpoints.

    ``folder`` is where a temporary file goes if there are many rows; default: the system's own place.
    """
    done = Checked()
    with node.register.read() as session, Fold(folder) as fold:
        signed = sorted(_signed(node, session, done), key=lambda item: item.size)
        odd = list(islice(spelling.odd(session, _EVENTS), _SHOWN))
        for (number,), columns in odd:
            done.note(Difference("event-edited", "custody_event", str(number), int(number), columns))
        _check_events(session, fold, signed, done, on_progress, skip_odd=bool(odd))
        for name, shape in shapes().items():
            _check_rows(session, fold, name, shape, done)
        for store in node.stores:
            if store.name not in done.silent:
                _check_vault(node, session, store, done)
    return done


def _signed(node: Node, session: Session, done: Checked) -> Iterator[_Signed]:
    """Collect every checkpoint that can be had; what the log did not sign is a finding."""
    its_log = node.log
    for row in ledger.checkpoints(session):
        found = _opened(its_log, row.note)
        if found is None or found[0] != row.size:
            done.note(Difference("checkpoint-foreign", "ledger_checkpoint", REGISTER, row.size))
            continue
        yield _Signed(*found, REGISTER, str(row.size))
    yield from _cosigned(node, done)
    yield from _in_vaults(node, its_log, done)


def _cosigned(node: Node, done: Checked) -> Iterator[_Signed]:
    """Collect what the witnesses saw last."""
    for witness in witnessing.witnesses(node):
        try:
            head = witnessing.seen(node, witness)
        except LedgerForeignError:
            done.note(Difference("checkpoint-foreign", key=witness.name))
        except WitnessingError:
            done.silent.append(witness.name)
        else:
            if head is not None:
                yield _Signed(head.size, head.root, witness.name, witness.url)


def _in_vaults(node: Node, its_log: Log, done: Checked) -> Iterator[_Signed]:
    """Collect every checkpoint of the vaults."""
    for store in node.stores:
        try:
            for kept in reading.checkpoints(store.vault, its_log):
                if isinstance(kept, LedgerForeignError):
                    done.note(Difference("checkpoint-foreign", key=f"{store.name}: {kept.facts['key']}"))
                else:
                    yield _Signed(kept.checkpoint.size, kept.checkpoint.root, store.name, kept.key)
        except SealdockError:
            done.silent.append(store.name)


def _check_vault(node: Node, session: Session, store: Store, done: Checked) -> None:
    """See that a vault still holds what its newest checkpoint stands on: `rebuild` will need it."""
    size = done.holders.get(store.name, 0)
    try:
        for key, number in coverage.lacking(session, store.vault, node.log.origin, size):
            done.note(Difference("bundle-missing", key=f"{store.name}: {key}", event=number))
    except SealdockError:
        done.silent.append(store.name)


def _opened(its_log: Log, note: bytes) -> tuple[int, bytes] | None:
    try:
        head = open_note(note, [its_log.vkey]).checkpoint
    except NoteError:
        return None
    return None if head.origin != its_log.origin else (head.size, head.root)


def _check_events(
    session: Session,
    fold: Fold,
    signed: list[_Signed],
    done: Checked,
    on_progress: Callable[[int, int], None] | None,
    *,
    skip_odd: bool,
) -> None:
    total = ledger.size(session)
    nodes = _Nodes(session, done)
    replayed = ledger.replayed(session)
    edge = Edge()
    waiting = iter(signed)
    head = next(waiting, None)

    def compare() -> None:
        nonlocal head
        while head is not None and head.size == edge.size:
            if edge.root() != head.root:
                done.note(Difference("history-rewritten", key=f"{head.holder}: {head.key}", event=head.size))
            else:
                done.holders[head.holder] = head.size
            head = next(waiting, None)

    compare()
    for row in _rows(session, done, skip_odd=skip_odd):
        number, leaf = row[0], row[-1]
        while edge.size < number:  # numbers that are not there
            done.note(Difference("event-missing", "custody_event", str(edge.size), edge.size))
            edge.append(b"\0" * 32)
            compare()
        _check_event(session, fold, row, done, replayed)
        for subtree in edge.append(leaf):
            nodes.check(subtree.level, subtree.index, subtree.hash)
        compare()
        if on_progress is not None and edge.size % _PAGE == 0:
            on_progress(edge.size, total)
    while head is not None:
        done.note(Difference("behind", key=f"{head.holder}: {head.key}", event=head.size))
        head = next(waiting, None)
    done.events, done.root = edge.size, edge.root()


def _rows(session: Session, done: Checked, *, skip_odd: bool) -> Iterator[Sequence[Any]]:
    query = select(*_EVENT).order_by(CustodyEvent.sequence).execution_options(yield_per=_PAGE)
    usual = spelling.usual(session, _EVENTS) if skip_odd else None
    if usual is not None:
        query = query.where(usual)
    last = 0
    for page in session.connection().execute(query).partitions():
        for row in page:
            if row[0] - last > _LONGEST_GAP:
                done.note(Difference("event-edited", "custody_event", str(row[0]), row[0], ("sequence",)))
                return
            last = row[0]
            yield row


def _check_event(
    session: Session, fold: Fold, row: Sequence[Any], done: Checked, replayed: Sequence[range]
) -> None:
    number, kind, subject, attempt, clip, docking, at, body, salt, leaf = row
    try:
        event = orjson.loads(body)
        same = (
            leaf_hash(events.entry(salt, body)) == leaf
            and event["sequence"] == number
            and event["kind"] == kind
            and event["subject"] == subject
            and event["attempt"] == attempt
            and event["clip"] == clip
            and event["docking"] == docking
            and datetime.fromisoformat(event["at"]) == at
        )
        if not same:
            done.note(Difference("event-edited", "custody_event", str(number), number, clip=clip))
        fold.add(number, event)
    except (ValueError, TypeError, KeyError, AttributeError):
        done.note(Difference("event-edited", "custody_event", str(number), number, clip=clip))
        return
    # The results of single clips do not come back when a register is made anew; their root stays.
    if kind == EventKind.INTEGRITY_RUN.value and not any(number in span for span in replayed):
        said = event["facts"].get("results")
        if said != f"sha256:{integrity.results_root(session, subject).hex()}":
            done.note(Difference("results-edited", "integrity_run", subject, number))


class _Nodes:
    """Compares the inner nodes that the register keeps with those that its leaves make."""

    def __init__(self, session: Session, done: Checked) -> None:
        self._session = session
        self._done = done

    def check(self, level: int, index: int, found: bytes) -> None:
        kept = self._session.get(LedgerNode, (level, index))
        if kept is None or kept.hash != found:
            first = index * TILE_WIDTH**level
            self._done.note(Difference("node-edited", "ledger_node", f"{level}/{index}", first))


def _check_rows(session: Session, fold: Fold, name: str, shape: Shape, done: Checked) -> None:
    table = Base.metadata.tables[name]
    skipped = False
    for values, columns in spelling.odd(session, table):
        skipped = True
        done.rows += 1
        named = dict(zip(shape.key, values, strict=True))
        known = fold.take(name, named)
        what, number = ("row-added", None) if known is None else ("row-edited", known.sequence)
        done.note(Difference(what, name, _key(shape, named), number, columns, _clip(name, named)))
    for row in _stored(session, table, skip_odd=skipped):
        done.rows += 1
        image = shape.image(row) if name in _DOCUMENTS else shape.image_of(row)
        expected = fold.take(name, image)
        key = _key(shape, image)
        if expected is None:
            done.note(Difference("row-added", name, key, clip=_clip(name, image)))
            continue
        if image != expected.image:
            wrong = tuple(column for column in image if image[column] != expected.image.get(column))
            done.note(Difference("row-edited", name, key, expected.sequence, wrong, _clip(name, image)))
        for document, digest in _DOCUMENTS.get(name, ()):
            data, said = getattr(row, document), getattr(row, digest)
            if (data is None) != (said is None) or (data and hashlib.sha256(data).hexdigest() != said):
                done.note(Difference("document-edited", name, key, expected.sequence, (document,)))
    for gone in fold.rows(name):
        done.note(_removed(name, shape, gone))


def _stored(session: Session, table: Table, *, skip_odd: bool) -> Iterator[Row[Any]]:
    documents = {document for document, _ in _DOCUMENTS.get(table.name, ())}
    left_out = LEFT_OUT.get(table.name, frozenset()) - documents
    query = select(*(column for column in table.columns if column.name not in left_out))
    usual = spelling.usual(session, table) if skip_odd else None
    if usual is not None:
        query = query.where(usual)
    if table.name == "stored_version":
        query = query.where(table.c.kind.not_in([kind.value for kind in LEDGER_KINDS]))
    page = 16 if documents else _PAGE
    found = session.connection().execute(query.execution_options(yield_per=page))
    for rows in found.partitions():
        yield from rows


def _removed(name: str, shape: Shape, gone: Expected) -> Difference:
    return Difference(
        "row-removed", name, _key(shape, gone.image), gone.sequence, clip=_clip(name, gone.image)
    )


def _key(shape: Shape, image: Image) -> str:
    return "/".join(str(image[column]) for column in shape.key)


def _clip(table: str, image: Image) -> str | None:
    found = image.get("id" if table == "clip" else "clip_id")
    return None if found is None else str(found)
