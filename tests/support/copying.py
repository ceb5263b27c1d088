"""What happens to a card or a spool while a clip is copied, for the tests of the offload."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pytest

from hashing.digest import Algorithm
from ingest.offload import Offloaded, OffloadRules, offload
from ingest.source import FolderSource

MIB = 1 << 20
TICK = 0.02  # the kernel stamps changes of files no finer than a clock tick of up to 10 ms
SMALL, LARGE = os.urandom(100_000), os.urandom(9 * MIB + 4097)  # inline; threads, direct I/O, two chunks
EITHER = pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])


class Pauses(list[float]):
    """Instead of sleeping: notes how long each pause would have been."""

    def rules(self, attempts: int = 3, min_free: int = 0) -> OffloadRules:
        return OffloadRules((Algorithm.SHA256,), attempts, min_free, pause=self.append)


def take(
    source: FolderSource,
    spool: Path,
    rules: OffloadRules | None = None,
    *,
    turn: "AtTheEnd | None" = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Offloaded:
    return offload(
        source,
        b"clip",
        spool,
        rules or Pauses().rules(),
        volume=source.volume.identity,
        turn=turn,
        on_bytes=on_bytes,
    )


class AtTheEnd:
    """Holds the turn; when the card has been read and before the copy is read back, it does something."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.held = False

    def __enter__(self) -> None:
        self.held = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held = False
        if error is None:
            self.act()


class Once:
    """Called with every piece that is read, it acts at the first."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.calls = 0

    def __call__(self, _count: int) -> None:
        self.calls += 1
        if self.calls == 1:
            time.sleep(TICK)
            self.act()


def append(path: Path, data: bytes = b"more") -> None:
    with path.open("ab") as file:
        file.write(data)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
