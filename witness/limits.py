"""What a client may take of the server: time and bytes for a request, requests a second, connections."""

import io
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field


class OverLimitError(TimeoutError):
    """A request took longer, or was longer, than any request is; a timeout, since that ends a connection."""


class LimitedReader(io.RawIOBase):
    """Reads from a socket, within a time and a number of bytes that ``renew`` grants for each request.

    A timeout of the socket alone counts from byte to byte: a client that sends one every few seconds would
    hold its thread for ever.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = 0.0
        self._left = 0

    def renew(self, seconds: float, size: int) -> None:
        """Allow so many seconds from now on, and so many bytes."""
        self._deadline = time.monotonic() + seconds
        self._left = size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what is there. Raises OverLimitError, OSError."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0 or self._left <= 0:
            raise OverLimitError("the request takes too long, or is too long")
        self._connection.settimeout(remaining)
        view = memoryview(buffer)[: self._left]
        try:
            count = self._connection.recv_into(view)
        except TimeoutError as error:
            raise OverLimitError("the request takes too long") from error
        self._left -= count
        return count


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass
class Rate:
    """Requests of one address: ``burst`` at once, ``per_second`` in the long run."""

    per_second: float
    burst: int
    most: int = 10_000
    """Addresses that are remembered; a flood of them forgets those that have been quiet."""
    _buckets: dict[str, _Bucket] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def allows(self, address: str, now: float | None = None) -> bool:
        """Count a request, and say whether it is within the limit."""
        now = time.monotonic() if now is None else now
        with self._lock:
            bucket = self._buckets.get(address)
            if bucket is None:
                self._make_room(now)
                bucket = self._buckets[address] = _Bucket(float(self.burst), now)
            bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.per_second)
            bucket.at = now
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True

    def _make_room(self, now: float) -> None:
        """Forget whoever is back at a full bucket; if that is not enough, everybody."""
        if len(self._buckets) < self.most:
            return
        full = self.burst / self.per_second
        self._buckets = {name: item for name, item in self._buckets.items() if now - item.at < full}
        if len(self._buckets) >= self.most:
            self._buckets = {}


class Slots:
    """Connections at one time: so many in all, so many of one address."""

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, address: str) -> bool:
        """Take a slot, if there is one; whoever got one gives it back."""
        with self._lock:
            if self._held.total() >= self._total or self._held[address] >= self._each:
                return False
            self._held[address] += 1
            return True

    def give(self, address: str) -> None:
        """Give a slot back."""
        with self._lock:
            self._held[address] -= 1
            if self._held[address] <= 0:
                del self._held[address]
