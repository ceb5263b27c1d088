"""A line to a store that can be cut, slow and lossy: forwards TCP connections until it is told not to."""

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PIECE = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Wire:
    """Listens on loopback; ``endpoint`` is the store's URL through this line.

    ``delay`` is how long each piece of up to 64 KiB takes (seconds). ``lossy`` lets every second connection
    be reset in the middle of what it carries. ``deaf`` is how many of the next connections carry requests up
    and no answer down, and stay open: the other side never learns why.
    """

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._to = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.delay = 0.0
        self.lossy = False
        self.deaf = 0
        self.resets = 0
        self.carried = 0
        """Bytes that went up or down so far."""
        self._random = random.Random(20260301)  # noqa: S311 - a seed, so that a failure can be repeated
        self._connections = 0
        self._open: set[socket.socket] = set()
        self._up = True
        self._left: int | None = None
        self._counting = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self, *, after: int | None = None) -> None:
        """Break all connections and refuse new ones: now, or once so many more bytes have gone up or down."""
        self._left = after
        if after is None:
            self._up = False
            for end in list(self._open):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again, whole and at once."""
        self._left, self._up = None, True
        self.delay, self.lossy, self.deaf = 0.0, False, 0

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._up:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(self._to)
                except OSError:  # the store is away, and so is this line
                    near.close()
                    continue
                self._open |= {near, far}
                deaf, self.deaf = self.deaf > 0, max(0, self.deaf - 1)
                self._connections += 1
                fated = self.lossy and self._connections % 2 == 0
                left = self._random.randrange(1, 8 * PIECE) if fated else None
                threading.Thread(target=self._forward, args=(near, far, left), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near, left, deaf), daemon=True).start()

    def _forward(
        self, one: socket.socket, other: socket.socket, left: int | None, deaf: bool = False
    ) -> None:
        with suppress(OSError):
            while data := one.recv(PIECE):
                if self._counted(len(data)):
                    self.cut()
                if left is not None:
                    left -= len(data)
                    if left < 0:
                        self.resets += 1
                        self._reset(one, other)
                        break
                if self.delay:
                    time.sleep(self.delay)
                if not deaf:
                    other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        one.close()
        self._open.discard(one)

    def _counted(self, size: int) -> bool:
        """Count what is carried on, and tell whether the line breaks with it."""
        with self._counting:
            self.carried += size
            if self._left is None:
                return False
            self._left -= size
            return self._left < 0

    @staticmethod
    def _reset(*ends: socket.socket) -> None:
        """Let both sides see a reset, not an end: what was under way is thrown away."""
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                # A socket that a thread reads from is not closed before that thread wakes up.
                end.shutdown(socket.SHUT_RD)
                end.close()
