"""What the workflows of a process reach for: the node, open cards, turns, and a way to pause.

The engine calls plain functions with JSON arguments, so what they work with must be found from here.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.progress import ByteCounter
from ingest.source import FolderSource
from jobs.node import Node

_PAUSE_FIRST, _PAUSE_LONGEST = 1.0, 30.0


class Running:
    """What workflows of this process reach for: the node, open cards, turns, and a way to pause."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._lock = threading.Lock()
        self._sources: dict[str, FolderSource] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._cards: dict[str, threading.Lock] = {}
        self._counters: dict[str, ByteCounter] = {}
        self._held = False
        self._steps = 0

    def keep_source(self, docking_id: str, source: FolderSource) -> FolderSource:
        """Keep a card open for the length of its docking; the one that is open already wins."""
        with self._lock:
            kept = self._sources.setdefault(docking_id, source)
        if kept is not source:
            source.close()
        return kept

    def source(self, docking_id: str) -> FolderSource | None:
        """Return the card of a docking, if it is open."""
        with self._lock:
            return self._sources.get(docking_id)

    def drop_source(self, docking_id: str) -> None:
        """Close the card of a docking."""
        with self._lock:
            source = self._sources.pop(docking_id, None)
            self._turns.pop(docking_id, None)
            self._counters.pop(docking_id, None)
        if source is not None:
            source.close()

    def turn(self, docking_id: str) -> threading.Lock:
        """Return the lock that is held while a docking's card is read."""
        with self._lock:
            return self._turns.setdefault(docking_id, threading.Lock())

    def counter(self, docking_id: str) -> ByteCounter:
        """Return what counts a docking's bytes."""
        with self._lock:
            if docking_id not in self._counters:
                self._counters[docking_id] = ByteCounter(self.node.register, docking_id)
            return self._counters[docking_id]

    def card(self, path: str) -> threading.Lock:
        """Return the lock that keeps two dockings off one card at the same time."""
        with self._lock:
            return self._cards.setdefault(path, threading.Lock())

    @contextmanager
    def step(self) -> Iterator[None]:
        """Count a step of a clip while it runs; none begins once ``hold`` was called."""
        with self._lock:
            held = self._held
            self._steps += not held
        if held:
            threading.Event().wait()  # until the process ends: the next one goes on from here
        try:
            yield
        finally:
            with self._lock:
                self._steps -= 1

    def hold(self) -> None:
        """Let no further step of a clip begin: this process is about to end."""
        with self._lock:
            self._held = True

    @property
    def steps_under_way(self) -> int:
        """Return how many steps of clips run now."""
        with self._lock:
            return self._steps

    @staticmethod
    def pause(tries: int) -> None:
        """Wait before the next try: one second at first, half a minute at most."""
        time.sleep(min(_PAUSE_FIRST * 2**tries, _PAUSE_LONGEST))


_current: list[Running] = []
"""At most one: a process runs the workflows of one home."""


def running() -> Running:
    """Return what the workflows of this process work with."""
    if not _current:
        raise RuntimeError("the engine has not been launched")
    return _current[0]


def begin(node: Node) -> None:
    """Let workflows find ``node``; only the executor calls this."""
    _current[:] = [Running(node)]


def end() -> None:
    """Let workflows find nothing any more."""
    _current.clear()
