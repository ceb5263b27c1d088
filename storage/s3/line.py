"""A lock that is given in the order in which it was asked for.

``threading.Lock`` promises no order: with several recorders at work, one that asks again at once could keep
the others waiting for as long as its card lasts.
"""

from collections import deque
from threading import Lock


class Line:
    """First come, first served; a context manager. Do not nest."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        """Wait for one's turn."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:  # Ctrl-C: a turn that was given by now must not be lost
            with self._guard:
                given = turn not in self._waiting
                if not given:
                    self._waiting.remove(turn)
            if given:
                self._pass_on()
            raise

    def __exit__(self, *_: object) -> None:
        """Let the next one in."""
        self._pass_on()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
