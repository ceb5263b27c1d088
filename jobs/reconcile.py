"""``sealdock reconcile``: what lies where nobody says so, and what is said to lie where it does not.

Register, vaults, spool and uploads are compared while everything else goes on. What a docking that is under
way works on is no finding. Every difference is asked of both sides again before it counts.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import ObjectMissingError, SealdockError
from hashing.digest import Digest
from jobs import mending
from jobs.copies import clip_of_copy
from jobs.engine import unfinished_dockings
from jobs.findings import MEANINGS, Finding, Kind
from jobs.identifying import Known, identify, identify_ledger, of_another_station
from jobs.node import MAIN, Node, Store
from metadata.models import Clip, Docking
from metadata.repo import dockings, integrity, objects
from metadata.states import ENDED, ClipState
from storage import layout
from storage.reading import read_all
from storage.reconcile import Difference, Row, compare, compare_at
from storage.reconcile import Kind as Differs
from storage.vault import Unfinished

_log = logging.getLogger("sealdock.reconcile")

_PAGE = 500
_TRIALS = ("preflight/",)
"""Where `vault preflight` leaves its objects."""
_DERIVING_SECONDS = 3600.0
"""How long a copy that previews are made from may be needed."""
_OF_OTHERS_STALE = timedelta(days=7)
"""As for the sweep of ``storage.s3.uploads``: after so long nobody comes back for an upload."""


@dataclass
class Reconciliation:
    """One run. ``findings`` yields as it finds; the counts are right when it has ended."""

    node: Node
    repair: bool = False
    locks: bool = True
    """Ask for the lock of every version, too: a request each."""
    found: int = 0
    open: int = 0
    repaired: int = 0
    of_others: int = 0
    """Objects that other stations stored in the same vault."""
    _busy: frozenset[str] = field(default_factory=frozenset)
    """Dockings that the engine worked on when it was asked last."""

    @property
    def stores(self) -> tuple[Store, ...]:
        """Return the vaults."""
        return self.node.stores

    def findings(self) -> Iterator[Finding]:
        """Compare everything; repair what can be, if asked to. VaultUnavailableError passes through."""
        for finding in self._all():
            self.found += 1
            self.open += finding.open
            self.repaired += finding.repaired
            _log.info(
                "reconcile-finding",
                extra={"kind": finding.kind.value, "what": finding.what, "repaired": finding.repaired},
            )
            yield finding

    def _all(self) -> Iterator[Finding]:
        for store in self.stores:
            for difference in compare(store.vault, self._rows(store), locks=self.locks, leave_out=_TRIALS):
                if self._still(store, difference):
                    yield from self._judge(store, difference)
            for item in store.vault.unfinished():
                yield from self._begun(store, item)
        yield from self._dockings()
        yield from self._not_stored()
        yield from self._spool()

    def _rows(self, store: Store) -> Iterator[tuple[Row, ...]]:
        """Yield what the register names, by key; a page at a time, each as it is by then."""
        key = ""
        while True:
            with self.node.register.read() as session:
                groups = objects.groups_after(session, store.name, key, _PAGE)
            for group in groups:
                yield tuple(Row(row.key, row.version, row.size, row.lock_until) for row in group)
            if not groups:
                return
            key = groups[-1][0].key

    def _still(self, store: Store, difference: Difference) -> bool:
        """Ask vault and register again: others may have stored, or written down, in between."""
        with self.node.register.read() as session:
            rows = tuple(
                Row(row.key, row.version, row.size, row.lock_until)
                for row in objects.versions_at(session, store.name, difference.key)
            )
        return difference in compare_at(store.vault, difference.key, rows, locks=self.locks)

    def _judge(self, store: Store, difference: Difference) -> Iterator[Finding]:
        key, version = difference.key, difference.version
        with self.node.register.read() as session:
            known = self._identify(session, store, key)
            if known is not None and (known.busy or (known.docking and self._works_on({known.docking}))):
                return
            if difference.kind is Differs.ORPHAN and known is None:
                if key.startswith("derived/"):
                    return  # made from a clip: `derive` finds it when it makes it again
                if of_another_station(session, self.node.log.origin, store.vault, key):
                    self.of_others += 1
                    return
        kind = {
            Differs.ORPHAN: Kind.UNKNOWN_OBJECT if known is None else Kind.ORPHAN,
            Differs.NEWER: Kind.NEWER_OTHER,
        }.get(difference.kind) or Kind(difference.kind.value)
        if (
            difference.kind is Differs.NEWER
            and known is not None
            and self._is(store, difference, known.sha256)
        ):
            kind = Kind.NEWER_SAME
        finding = Finding(kind, key, version, clip=None if known is None else known.clip, vault=store.name)
        if kind in {Kind.ORPHAN, Kind.NEWER_SAME} and known is not None:
            yield self._mend(finding, lambda: mending.adopt(self.node, store, known, key, version))
        elif kind in {Kind.LOCK_MISSING, Kind.LOCK_SHORT}:
            yield self._mend(finding, lambda: mending.lock_again(self.node, store, key, version))
        elif kind is Kind.MISSING:
            yield self._missing(store, finding, known)
        else:
            yield finding

    def _missing(self, store: Store, finding: Finding, known: Known | None) -> Finding:
        key, version = finding.what, finding.detail
        if self._has_another(store, key, version):
            finding = replace(finding, kind=Kind.VERSION_LOST)
            return self._mend(finding, lambda: mending.note_lost(self.node, store, known, key, version))
        if known is not None and known.data is not None:
            finding = replace(finding, kind=Kind.DOCUMENT_MISSING)
            return self._mend(finding, lambda: mending.put_back(self.node, store, known, key))
        if len(self.stores) > 1:
            finding = replace(finding, kind=Kind.MISSING_HERE)
            return self._mend(finding, lambda: mending.bring(self.node, store, key))
        return finding

    def _has_another(self, store: Store, key: str, version: str) -> bool:
        """Tell whether the register names another version of the same bytes, and the vault shows that one."""
        with self.node.register.read() as session:
            rows = objects.versions_at(session, store.name, key)
        digest = {row.sha256 for row in rows if row.version == version}
        named = {row.version for row in rows if row.sha256 in digest and row.confirmed_at is not None}
        return any(found.version in named - {version} for found in store.vault.versions(key))

    def _identify(self, session: Session, store: Store, key: str) -> Known | None:
        if key.startswith(("events/", "ledger/")):
            return identify_ledger(session, self.node.log.origin, store.name, key)
        return identify(session, key)

    @staticmethod
    def _is(store: Store, difference: Difference, sha256: str) -> bool:
        try:
            with store.vault.open(difference.key, difference.version) as file:
                return read_all(file).sha256.hex == sha256
        except ObjectMissingError:
            return False

    def _begun(self, store: Store, item: Unfinished) -> Iterator[Finding]:
        """Judge an upload or a temporary file."""
        if item.key is None:
            finding = Finding(Kind.TEMP_FILE, item.id, vault=store.name)
        else:
            with self.node.register.read() as session:
                known = self._identify(session, store, item.key)
            if known is not None and known.busy:
                return
            age = self.node.clock.now() - item.begun_at
            ours = item.ours or age > _OF_OTHERS_STALE
            kind = Kind.UPLOAD if ours else Kind.UPLOAD_OF_OTHERS
            finding = Finding(kind, item.key, item.id, vault=store.name)
        if not MEANINGS[finding.kind].repair:
            yield finding
            return
        yield self._mend(finding, lambda: None if store.vault.discard(item) else "in-use")

    def _dockings(self) -> Iterator[Finding]:
        for docking_id in self._docking_ids():
            # Asked before the engine and again after it: a docking may begin or end in between.
            if self._unended(docking_id) is None or self._works_on({docking_id}):
                continue
            kind = self._unended(docking_id)
            if kind is None:
                continue
            act = mending.close_docking if kind is Kind.DOCKING_OPEN else mending.publish_docking
            yield self._mend(Finding(kind, docking_id), partial(act, self.node, docking_id))

    def _unended(self, docking_id: str) -> Kind | None:
        """Return what a docking lacks at its end."""
        with self.node.register.read() as session:
            row = dockings.get(session, docking_id)
            keys = layout.docking_keys(row.station_id, row.id, row.started_at)
            noted = objects.newest_at(session, MAIN, keys)
        if row.closed_at is None:
            return Kind.DOCKING_OPEN
        return Kind.DOCKING_UNPUBLISHED if set(keys) - set(noted) else None

    def _works_on(self, docking_ids: set[str]) -> bool:
        """Tell whether the engine works on one of these dockings, or will."""
        if not docking_ids & self._busy:
            self._busy = unfinished_dockings(self.node)
        return bool(docking_ids & self._busy)

    def _docking_ids(self) -> Iterator[str]:
        last = ""
        while True:
            query = select(Docking.id).where(Docking.id > last).order_by(Docking.id).limit(_PAGE)
            with self.node.register.read() as session:
                page = list(session.scalars(query))
            yield from page
            if not page:
                return
            last = page[-1]

    def _not_stored(self) -> Iterator[Finding]:
        with self.node.register.read() as session:
            clips = integrity.without_version(session, MAIN)
        for clip in clips:
            yield Finding(Kind.NOT_STORED, layout.clip_key(Digest.of_sha256(clip.sha256 or "")), clip=clip.id)

    def _spool(self) -> Iterator[Finding]:
        names: list[str] = []
        with suppress(FileNotFoundError), os.scandir(self.node.spool) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        for name in names:
            yield from self._spooled(name)

    def _spooled(self, name: str) -> Iterator[Finding]:
        path = self.node.spool / name
        looked_at = clip_of_copy(name)
        with self.node.register.read() as session:
            clip = session.get(Clip, looked_at or name)
            seen = set() if clip is None else set(dockings.of_clip(session, clip.id))
        if clip is not None and (ClipState(clip.state) not in ENDED or self._works_on(seen)):
            return
        try:
            if looked_at and time.time() - path.stat().st_mtime < _DERIVING_SECONDS:
                return
            # Such a copy came from the vault, and may be cut short: what counts is the whole clip.
            whole = clip.sha256 if looked_at and clip is not None else None
            digest = Digest.of_sha256(whole) if whole else mending.spool_digest(path)
        except FileNotFoundError:
            return
        except OSError as error:
            yield Finding(Kind.SPOOL_UNKNOWN, name, problem=error.strerror)
            return
        clip_id = None if clip is None else clip.id
        # What came from a vault need not be in all of them.
        if any(
            mending.is_confirmed(self.node, stores, digest)
            for stores in ([(store,) for store in self.stores] if looked_at else [self.node.required])
        ):
            finding = Finding(Kind.SPOOL_SAFE, name, clip=clip_id)
            yield self._mend(finding, lambda: mending.remove_copy(self.node, path, clip_id, digest))
        elif clip is None or name != clip.id:
            yield Finding(Kind.SPOOL_UNKNOWN, name, clip=clip_id)
        else:
            yield Finding(Kind.SPOOL_KEPT, name, clip=clip_id)

    def _mend(self, finding: Finding, act: Callable[[], str | None]) -> Finding:
        """Repair a finding if repairs were asked for. What may go away by itself ends the run instead."""
        if not self.repair:
            return finding
        try:
            problem = act()
        except SealdockError as error:
            if error.retriable:
                raise
            problem = error.code
        return replace(finding, repaired=problem is None, problem=problem)
