"""The station service: whatever appears under its roots is docked, by itself, for years."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from config.errors import SealdockError
from ingest.names import from_uri
from ingest.places import Place, find
from ingest.source import FolderSource
from ingest.stillness import Stillness
from jobs.acceptance import Unknown
from jobs.deriving import enqueue_underived
from jobs.engine import DERIVE, DOCKINGS, Executor
from jobs.following import Request, outcome_of, refuse_own, start
from jobs.node import Node
from jobs.running import running
from metadata.models import Docking, Recorder
from metadata.repo import dockings

QUEUES = (DOCKINGS, DERIVE)
_AGAIN_SECONDS = 60.0
"""A place whose docking failed is tried again after so long."""

_SHORTEST_PAUSE = 0.1

_log = logging.getLogger("sealdock.watch")


@dataclass(slots=True)
class _Seen:
    """What is known of a place: its docking, under way or the last one, and what was in it then."""

    identity: str
    stillness: Stillness
    docking: str | None = None
    ended: bool = False
    fingerprint: bytes | None = None
    retry_at: float | None = None
    """When to try again, after a docking that could not take its inventory."""


@dataclass
class Watch:
    """Looks at the roots again and again, and starts dockings. One round: ``look``."""

    node: Node
    executor: Executor
    roots: tuple[Path, ...]
    clock: Callable[[], float] = time.monotonic
    beat: Callable[[], None] = lambda: None
    """Called again and again while the service goes round; when it is not, the service is stuck."""
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    def run(self, stop: threading.Event, wake: threading.Event, after_look: Callable[[], None]) -> None:
        """Look until ``stop`` is set, when ``wake`` is set and every ``watch.rescan_seconds`` besides.

        A folder that changed is looked at again when it may have come to rest.
        Events are lost when a queue overflows, and a mount makes none in the folder it hides; so the
        rescan is what finds everything, and events only make it quicker.
        """
        self._adopt_unfinished()
        while not stop.is_set():
            self.look()
            self.beat()
            after_look()
            wake.wait(self._pause())
            wake.clear()
        running().hold()
        self._finish_under_way()

    def look(self) -> None:
        """Find what came and what went, and start what is due."""
        places = {place.path: place for place in find(self.roots)}
        for path in [path for path, seen in self._seen.items() if _gone(places.get(path), seen)]:
            _log.info("place-gone", extra={"path": path, "docking": self._seen.pop(path).docking})
        for place in places.values():
            self.beat()
            quiet = timedelta(seconds=self.node.settings.watch.quiet_seconds)
            seen = self._seen.setdefault(place.path, _Seen(place.identity, Stillness(quiet, self.clock)))
            try:
                self._attend(place, seen)
            except SealdockError as error:  # this place now; the others must not suffer
                seen.stillness.due = None
                _log.warning("place-failed", extra={"path": place.path, "problem": error.code})

    def _pause(self) -> float:
        """Return how many seconds to rest: until the next rescan, or until a folder may be at rest."""
        rescan = self.node.settings.watch.rescan_seconds
        due = min((seen.stillness.due for seen in self._seen.values() if seen.stillness.due), default=None)
        return rescan if due is None else min(rescan, max(due - self.clock(), _SHORTEST_PAUSE))

    @property
    def under_way(self) -> int:
        """Return how many dockings that this service started have not ended."""
        return sum(seen.docking is not None and not seen.ended for seen in self._seen.values())

    def _adopt_unfinished(self) -> None:
        """Know the places of dockings that an earlier process left unfinished: they go on already.

        One that was killed before its inventory was written is about whatever stands at its place now.
        """
        quiet = timedelta(seconds=self.node.settings.watch.quiet_seconds)
        there = {place.path: place.identity for place in find(self.roots)}
        for docking_id, arguments in self.executor.unfinished("docking"):
            path = from_uri(arguments[1])
            with self.node.register.read() as session:
                row = session.get(Docking, docking_id)
                identity = there.get(path) if row is None else row.volume["identity"]
            if identity is not None:
                self._seen[path] = _Seen(identity, Stillness(quiet, self.clock), docking=docking_id)

    def _attend(self, place: Place, seen: _Seen) -> None:
        if seen.docking is not None and not seen.ended:
            self._look_for_the_end(place, seen)
            return
        if seen.retry_at is not None:
            if self.clock() >= seen.retry_at:
                seen.retry_at = None
                self._start(place, seen)
        elif place.mount_point:
            if seen.docking is None or self._accepted_since(seen):
                self._start(place, seen)
        else:
            self._attend_folder(place, seen)

    def _attend_folder(self, place: Place, seen: _Seen) -> None:
        limits = self.node.settings.docking
        with FolderSource(place.path) as folder:
            listing = folder.walk(max_entries=limits.max_entries, max_depth=limits.max_depth)
        found = seen.stillness.look(listing.entries)
        if found is not None and (found != seen.fingerprint or self._accepted_since(seen)):
            seen.fingerprint = found
            self._start(place, seen)

    def _start(self, place: Place, seen: _Seen) -> None:
        refuse_own(self.node, place.path)
        unknown = Unknown(self.node.settings.watch.unknown_volumes)
        seen.docking, seen.ended = (
            start(self.node, self.executor, Request(place.path, unknown=unknown)),
            False,
        )
        _log.info("place-docking", extra={"docking": seen.docking, "path": place.path})

    def _look_for_the_end(self, place: Place, seen: _Seen) -> None:
        docking_id = seen.docking or ""
        ended, error = outcome_of(self.executor, docking_id)
        if not ended:
            return
        seen.ended = True
        if error is not None:
            _log.warning("docking-failed", extra={"docking": docking_id, "problem": error.code})
            seen.retry_at = self.clock() + _AGAIN_SECONDS
            return
        with self.node.register.read() as session:
            states = dockings.state_counts(session, docking_id)
        _log.info("place-docked", extra={"docking": docking_id, "path": place.path, "states": states})
        enqueue_underived(self.node)

    def _accepted_since(self, seen: _Seen) -> bool:
        """Tell whether the last docking left a strange recorder alone that was accepted since."""
        if seen.docking is None:
            return False
        with self.node.register.read() as session:
            row = session.get(Docking, seen.docking)
            if row is None or not dockings.is_left_alone(session, row.id):
                return False
            return session.get_one(Recorder, row.recorder_id).accepted

    def _finish_under_way(self) -> None:
        """Let clips that are being copied or stored end, for ``watch.stop_seconds`` at most."""
        until = self.clock() + self.node.settings.watch.stop_seconds
        while running().steps_under_way and self.clock() < until:
            self.beat()
            time.sleep(0.1)


def _gone(place: Place | None, seen: _Seen) -> bool:
    return place is None or place.identity != seen.identity


def distinct(roots: Iterable[Path]) -> tuple[Path, ...]:
    """Return absolute roots, each once, in the order given."""
    return tuple(dict.fromkeys(root.absolute() for root in roots))
