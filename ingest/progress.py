"""How many bytes a docking has copied, written down for displays now and then."""

import threading
import time

from config.errors import RegisterError
from metadata.clock import now_utc
from metadata.register import Register
from metadata.repo import dockings

_EVERY_SECONDS = 0.5


class ByteCounter:
    """Counts the bytes of one docking; safe to call from several threads."""

    def __init__(self, register: Register, docking_id: str) -> None:
        self._register = register
        self._docking = docking_id
        self._lock = threading.Lock()
        self._bytes = 0
        self._written = time.monotonic()

    def __call__(self, count: int) -> None:
        """Add ``count`` bytes; at most twice a second the sum goes to the register."""
        with self._lock:
            self._bytes += count
            now = time.monotonic()
            if now - self._written < _EVERY_SECONDS:
                return
            self._written = now
            total = self._bytes
        try:
            with self._register.write() as session:
                dockings.set_progress(session, self._docking, total, now_utc())
        except RegisterError as error:
            if not error.retriable:
                raise
            # A display that lags is no reason to stop a copy.
