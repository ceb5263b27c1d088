"""A bounded view of an open file: positioned reads under a budget, so no layout makes us read for ever."""

import os


class BudgetError(Exception):
    """A walk asked for more reads or more bytes than a well-made file needs."""


class Window:
    """Positioned reads of one open file.

    `size` is the file's length in bytes when the window was made. `reads` and `volume` (bytes) bound all
    reads together; going over raises `BudgetError`. No read goes past `size`: a result may be short.
    """

    def __init__(self, fd: int, *, reads: int = 400_000, volume: int = 512 * 1024 * 1024) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._reads = reads
        self._volume = volume

    def at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer at the end of the file, none outside of it.

        Raises `BudgetError` when the budget is used up and `OSError` when the medium cannot be read.
        """
        length = min(length, self.size - offset)
        if length <= 0 or offset < 0:
            return b""
        self._reads -= 1
        self._volume -= length
        if self._reads < 0 or self._volume < 0:
            raise BudgetError
        return os.pread(self._fd, length, offset)

    def tail(self, length: int) -> tuple[int, bytes]:
        """Return the offset and the bytes of the last `length` bytes of the file."""
        start = max(0, self.size - length)
        return start, self.at(start, self.size - start)
