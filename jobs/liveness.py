"""Whether the station service lives: its main loop beats, and anybody on this machine can see how long ago.

The beat stands in a file of the home that the service keeps locked, so that a service that was killed is told
from one that is stuck without a network. Times are of the clock that only ever runs forward.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.notify import notify

FILE = "watch.beat"
_FIELDS = 2


def now() -> float:
    """Return seconds since this machine started, also those that it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Beat:
    """The last beat: how long ago it was, and after how long the service counts as stuck (seconds)."""

    age: float
    limit: float

    @property
    def alive(self) -> bool:
        """Return whether it was recent enough."""
        return self.age <= self.limit


class Heart:
    """Beats for the service; use as a context manager. ``limit``: seconds after which it counts as stuck."""

    def __init__(self, home: Path, limit: float) -> None:
        self._path = home / FILE
        self._limit = limit
        self._last = now()
        self._fd: int | None = None

    def __enter__(self) -> Self:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # who looks holds it for a moment
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def beat(self) -> None:
        """Note that the main loop goes round."""
        self._last = now()
        if self._fd is not None:
            with suppress(OSError):  # a full disk is no reason to look dead to who asks this process
                os.pwrite(self._fd, f"{self._last:020.3f} {self._limit:020.3f}\n".encode(), 0)

    @property
    def last(self) -> Beat:
        """Return the last beat."""
        return Beat(now() - self._last, self._limit)


def look(home: Path) -> Beat | None:
    """Return the last beat of the service that works in a home; None if there is none."""
    try:
        fd = os.open(home / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        fields = os.pread(fd, 64, 0).split()
        if len(fields) != _FIELDS:
            return None
        return Beat(max(0.0, now() - float(fields[0])), float(fields[1]))
    else:
        return None  # nobody holds it: the service has ended
    finally:
        os.close(fd)


class Watchdog:
    """Tells the service manager that the service lives, as long as it does; use as a context manager.

    Between two turns of the main loop, too: they may lie further apart than the manager's patience.
    """

    def __init__(self, alive: Callable[[], bool]) -> None:
        self._alive = alive
        self._stop = threading.Event()
        # What sd_watchdog_enabled(3) advises: half the time that the manager waits.
        self._seconds = int(os.environ.get("WATCHDOG_USEC") or 0) / 2_000_000
        self._thread = threading.Thread(target=self._run, name="sealdock-watchdog", daemon=True)

    def __enter__(self) -> Self:
        if self._seconds:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            if self._alive():
                notify("WATCHDOG=1")
