"""Write folded rows into the register; what images leave out comes from the vault, by their digests."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import orjson
from sqlalchemy import Connection, Table, and_, delete, insert, select, update
from ulid import ULID

from config.errors import ObjectMissingError, SealdockError
from hashing.digest import Digest
from jobs.ahead import mapping
from jobs.ledger import reading
from jobs.ledger.folding import Fold
from jobs.node import Node, Store
from metadata.images import Image, Shape, shapes
from metadata.models import Base, StoredKind
from storage import layout
from storage.vault import LockMode, StoredVersion

if TYPE_CHECKING:
    from jobs.ledger.bundles import Spool

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many are done, and of how many (0: not known)."""

_PAGE = 200

_KEPT_BYTES = 64 << 20
"""Of manifests, which both a clip and its seal need."""
_Row = dict[str, Any]


class RowWriter:
    """Writes rows in one transaction that the caller owns; ``missing`` names documents that are not there."""

    def __init__(self, node: Node, connection: Connection, on_progress: Progress | None) -> None:
        self.missing: list[str] = []
        self._node = node
        self._connection = connection
        self._on_progress = on_progress
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT_BYTES
        self._hands = ExitStack()
        self._over = self._hands.enter_context(mapping(node.hands))
        self._fill: Mapping[str, Callable[[Sequence[_Row], Sequence[Image]], None]] = {
            "clip": self._fill_clips,
            "docking": self._fill_dockings,
            "seal": self._fill_seals,
            "seal_timestamp": self._fill_timestamps,
            "stored_version": self._fill_versions,
        }

    def __enter__(self) -> Self:
        """Nothing is made here."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the threads that read."""
        self._hands.close()

    def write(self, fold: Fold) -> dict[str, int]:
        """Write every row of a fold, new ones and those that changed; return how many, by table."""
        counts: dict[str, int] = {}
        for name, shape in shapes().items():
            rows = fold.rows(name)
            while page := [item.image for item in islice(rows, _PAGE)]:
                self._write(Base.metadata.tables[name], shape, page)
                counts[name] = counts.get(name, 0) + len(page)
                if self._on_progress is not None:
                    self._on_progress(name, counts[name], 0)
            for key in fold.gone(name):
                self._remove(Base.metadata.tables[name], shape, key)
        return counts

    def adopt_ledger(self, store: Store, spool: "Spool") -> None:
        """Note what the ledger itself is published as in a vault, and the checkpoints there.

        ``spool`` knows the bundles that were read for the events.
        """
        its_log = self._node.log
        largest = 0
        for prefix, kind in (
            ("events/", StoredKind.EVENTS),
            (layout.ledger_prefix(its_log.origin), StoredKind.LEDGER),
        ):
            keys = iter(store.vault.keys(prefix))
            while page := list(islice(keys, _PAGE)):
                self._adopt(store, kind, page, spool)
        noted = set(self._connection.scalars(select(_CHECKPOINT.c.size)))
        at = self._node.clock.now()
        for kept in reading.checkpoints(store.vault, its_log):
            if isinstance(kept, SealdockError):
                continue  # `ledger check` names it
            size = kept.checkpoint.size
            largest = max(largest, size)
            if size not in noted:
                self._connection.execute(insert(_CHECKPOINT), {"size": size, "note": kept.note, "at": at})
        standing = {"asked_at": at, "answered_at": at, "size": largest, "published": largest, "problem": None}
        same = _STANDING.c.holder == store.name
        if self._connection.execute(update(_STANDING).where(same), standing).rowcount == 0:
            self._connection.execute(insert(_STANDING), {"holder": store.name, **standing})

    def _write(self, table: Table, shape: Shape, images: Sequence[Image]) -> None:
        keys = [table.c[name] for name in shape.key]
        rows = [shape.values(image) for image in images]
        # A row of which everything is known is new, or stands as it is; of another one we know what changed.
        there = self._there(table, shape, rows)
        new = [(row, image) for row, image in zip(rows, images, strict=True) if _key(shape, row) not in there]
        old = [row for row in rows if _key(shape, row) in there]
        if new:
            fill = self._fill.get(table.name)
            if fill is not None:
                fill([row for row, _ in new], [image for _, image in new])
            self._connection.execute(insert(table), [row for row, _ in new])
        for row in old:
            changed = {name: value for name, value in row.items() if name not in shape.key}
            if changed:
                same = and_(*(column == row[column.name] for column in keys))
                self._connection.execute(update(table).where(same).values(changed))

    def _there(self, table: Table, shape: Shape, rows: Sequence[_Row]) -> set[tuple[Any, ...]]:
        first = table.c[shape.key[0]]
        query = select(*(table.c[name] for name in shape.key))
        query = query.where(first.in_([row[shape.key[0]] for row in rows]))
        return {tuple(found) for found in self._connection.execute(query)}

    def _remove(self, table: Table, shape: Shape, key: Sequence[str]) -> None:
        same = and_(*(table.c[name] == value for name, value in zip(shape.key, key, strict=True)))
        self._connection.execute(delete(table).where(same))

    def _manifest(self, clip: Digest, manifest: Digest, *, again: bool) -> bytes | None:
        """Return a manifest; with ``again`` it is kept for the next call, unless many are."""
        kept = self._kept.pop(manifest.hex, None)
        if kept is not None:
            self._room += len(kept)
            return kept
        data = self._read(layout.manifest_key(clip, manifest), manifest.hex)
        if again and data is not None and self._room > len(data):
            self._room -= len(data)
            self._kept[manifest.hex] = data
        return data

    def _read(self, key: str, digest: str | None) -> bytes | None:
        """Return a document from the first vault that has it with this digest; None if none has."""
        for store in self._node.stores:
            try:
                data = reading.read(store.vault, key)
            except ObjectMissingError:
                continue
            if digest is None or Digest.sha256(data).hex == digest.removeprefix("sha256:"):
                return data
        self.missing.append(key)
        return None

    def _fill_clips(self, rows: Sequence[_Row], images: Sequence[Image]) -> None:
        def probe(row: _Row, image: Image) -> None:
            row["probe"] = None
            if image["probe"] is not None and row["sha256"] and row["manifest_sha256"]:
                of, manifest = Digest.of_sha256(row["sha256"]), Digest.of_sha256(row["manifest_sha256"])
                data = self._manifest(of, manifest, again=True)
                row["probe"] = None if data is None else orjson.loads(data)["probe"]

        list(self._over(probe, rows, images))

    def _fill_dockings(self, rows: Sequence[_Row], images: Sequence[Image]) -> None:
        del images

        def documents(row: _Row) -> None:
            keys = layout.docking_keys(row["station_id"], row["id"], row["started_at"])
            row["inventory"] = self._read(keys[0], row["inventory_digest"]) or b""
            row["inventory_seal"] = self._read(keys[1], None) or b""
            closed = row["close_digest"] is not None
            row["close"] = self._read(keys[2], row["close_digest"]) if closed else None
            row["close_seal"] = self._read(keys[3], None) if closed else None

        list(self._over(documents, rows))

    def _fill_seals(self, rows: Sequence[_Row], images: Sequence[Image]) -> None:
        of = self._digests([row["clip_id"] for row in rows])

        def documents(row: _Row, image: Image) -> None:
            clip, manifest = of[row["clip_id"]], Digest.of_sha256(row["manifest_sha256"])
            row["manifest"] = self._manifest(clip, manifest, again=False) or b""
            row["signature"] = self._read(layout.seal_key(clip, manifest), image["signature"]) or b""

        list(self._over(documents, rows, images))

    def _fill_timestamps(self, rows: Sequence[_Row], images: Sequence[Image]) -> None:
        seals, clips = Base.metadata.tables["seal"], Base.metadata.tables["clip"]
        query = select(seals.c.manifest_sha256, clips.c.sha256).join(clips, clips.c.id == seals.c.clip_id)
        query = query.where(seals.c.manifest_sha256.in_([row["manifest_sha256"] for row in rows]))
        of = {manifest: Digest.of_sha256(digest) for manifest, digest in self._connection.execute(query)}
        for row, image in zip(rows, images, strict=True):
            manifest = Digest.of_sha256(row["manifest_sha256"])
            key = layout.timestamped_seal_key(of[manifest.hex], manifest)
            row["signature"] = self._read(key, image["signature"]) or b""

    def _fill_versions(self, rows: Sequence[_Row], images: Sequence[Image]) -> None:
        del images

        def ask(row: _Row) -> None:
            row |= {"lock_mode": LockMode.NONE.value, "lock_until": None, "held": False}
            row |= {"checked_at": None, "verified_at": None}
            try:
                found = self._node.store(row["vault"]).vault.head(row["key"], row["version"])
            except (ObjectMissingError, LookupError):
                self.missing.append(row["key"])
                return
            row |= {"lock_mode": found.lock_mode.value, "lock_until": found.lock_until, "held": found.held}

        list(self._over(ask, rows))

    def _digests(self, clips: Sequence[str]) -> dict[str, Digest]:
        table = Base.metadata.tables["clip"]
        query = select(table.c.id, table.c.sha256).where(table.c.id.in_(list(clips)))
        return {clip: Digest.of_sha256(digest) for clip, digest in self._connection.execute(query)}

    def _adopt(self, store: Store, kind: StoredKind, keys: Sequence[str], spool: "Spool") -> None:
        def look(key: str) -> tuple[StoredVersion, str] | None:
            known = spooled[key]
            try:
                if known is not None:
                    return store.vault.head(key, known[0]), known[1]
                found, data = reading.fetch(store.vault, key)
            except ObjectMissingError:
                return None
            return found, Digest.sha256(data).hex

        query = select(_VERSION.c.key).where(_VERSION.c.vault == store.name, _VERSION.c.key.in_(keys))
        noted = set(self._connection.scalars(query))
        spooled = {key: spool.bundle(key) for key in keys if key not in noted}
        at = self._node.clock.now()
        rows = [
            self._object_row(store, found[0], found[1], kind, at)
            for found in self._over(look, spooled)
            if found is not None
        ]
        if rows:
            self._connection.execute(insert(_VERSION), rows)

    @staticmethod
    def _object_row(store: Store, found: StoredVersion, sha256: str, kind: StoredKind, at: datetime) -> _Row:
        return {
            "id": str(ULID()),
            "vault": store.name,
            "key": found.key,
            "version": found.version,
            "kind": kind.value,
            "sha256": sha256,
            "size": found.size,
            "lock_mode": found.lock_mode.value,
            "lock_until": found.lock_until,
            "held": found.held,
            "confirmation": "full",
            "confirmed_at": at,
            "created_at": at,
        }


_CHECKPOINT = Base.metadata.tables["ledger_checkpoint"]
_STANDING = Base.metadata.tables["ledger_standing"]
_VERSION = Base.metadata.tables["stored_version"]


def _key(shape: Shape, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in shape.key)
