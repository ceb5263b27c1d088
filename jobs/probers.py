"""Sandboxed probers, as many as are worth their start."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from metadata.media.probe import Limits, Prober

_PATIENCE_SECONDS = 0.25


class Probers:
    """Lends probers; each is a child process that looks at one file at a time.

    Another one is started, up to ``most``, when none has become free for a quarter of a second, which is
    about what a start costs. Large clips come more slowly than that. A small clip takes longer to look at
    than to copy and seal, so one prober alone would hold up a card of many.
    """

    def __init__(self, limits: Limits, *, most: int) -> None:
        self._limits = limits
        self._most = most
        self._returned = threading.Condition()
        self._all: list[Prober] = []
        self._free: list[Prober] = []

    @contextmanager
    def one(self) -> Iterator[Prober]:
        """Lend a prober that nobody else uses meanwhile; waits while all are busy."""
        prober = self._take()
        try:
            yield prober
        finally:
            with self._returned:
                self._free.append(prober)
                self._returned.notify()

    def start_ahead(self) -> None:
        """Begin to start one in a thread, where one will be wanted soon."""
        threading.Thread(target=self._greet, name="sealdock-prober", daemon=True).start()

    def _greet(self) -> None:
        with suppress(ValueError), self.one() as prober:  # closed already: nobody wants it any more
            _ = prober.sandbox

    def close(self) -> None:
        """End the children."""
        with self._returned:
            probers = list(self._all)
        for prober in probers:
            prober.close()

    def _take(self) -> Prober:
        with self._returned:
            patience = _PATIENCE_SECONDS if self._all else 0.0
            if not self._returned.wait_for(self._any_free, patience) and len(self._all) < self._most:
                prober = Prober(self._limits)
                self._all.append(prober)
                return prober
            self._returned.wait_for(self._any_free)
            return self._free.pop()

    def _any_free(self) -> bool:
        return bool(self._free)
