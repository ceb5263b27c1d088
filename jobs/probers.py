"""Sandboxed probers, as many as are asked for at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from metadata.media.probe import Limits, Prober


class Probers:
    """Lends probers; each is a child process that looks at one file at a time.

    A child is started when all that run are busy, up to ``most``. A small clip takes longer to look at
    than to copy and seal, so one child alone would hold up a card of many small clips.
    """

    def __init__(self, limits: Limits, *, most: int) -> None:
        self._limits = limits
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._all: list[Prober] = []
        self._free: list[Prober] = []

    @contextmanager
    def one(self) -> Iterator[Prober]:
        """Lend a prober that nobody else uses meanwhile; waits while all are busy."""
        with self._places:
            with self._lock:
                prober = self._free.pop() if self._free else self._started()
            try:
                yield prober
            finally:
                with self._lock:
                    self._free.append(prober)

    def close(self) -> None:
        """End the children."""
        with self._lock:
            probers = list(self._all)
        for prober in probers:
            prober.close()

    def _started(self) -> Prober:
        prober = Prober(self._limits)
        self._all.append(prober)
        return prober
