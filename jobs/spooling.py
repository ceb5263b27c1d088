"""The watermarks of the spool: when it fills because the vault is slow or away, cards wait.

The spool's *share* is what lies in it, of what it can hold: its own files and the free space beyond
``spool.min_free_bytes``. So a vault that fills the same disk does not count against it while it is empty.
From the high mark on no further clip is copied; clips under way go on to be stored, and once the share is
below the low mark copying goes on by itself. An alert stands in between, and is what a new process goes by.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.node import Node
from metadata.repo import integrity

_log = logging.getLogger("sealdock.spool")

REASON = "spool-high"
"""Why clips wait, and the kind of the alert."""


@dataclass(frozen=True, slots=True)
class Spool:
    """What lies in a spool and what is free on its disk, in bytes; ``share`` is percent."""

    files: int
    used: int
    free: int
    share: float


class Gate:
    """Whether copying waits for the spool; one for each node (``Node.spool_gate``), safe for threads."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._turn = threading.Lock()
        self._high: bool | None = None

    def is_high(self) -> bool:
        """Look at the spool and tell whether no further clip may be copied now; raises and ends the alert.

        Raises RegisterError: the alert cannot be written, and nothing has changed.
        """
        with self._turn:
            if self._high is None:
                with self._node.register.read() as session:
                    self._high = integrity.is_open(session, REASON)
            found = look(self._node)
            marks = self._node.settings.spool
            limit = marks.low_watermark if self._high else marks.high_watermark
            high = found.share >= limit
            if high != self._high:
                self._turned(found, high=high)
                self._high = high
            return high

    def _turned(self, found: Spool, *, high: bool) -> None:
        facts = {"share": f"{found.share:.1f}", "bytes": str(found.used), "free_bytes": str(found.free)}
        at = self._node.clock.now()
        with self._node.register.write() as session:
            if high:
                integrity.raise_alert(session, REASON, at, facts=facts)
            else:
                integrity.end_alerts(session, REASON, at)
        if high:
            _log.warning("spool-high", extra={"share": found.share, "free_bytes": found.free})
        else:
            _log.info("spool-low", extra={"share": found.share, "free_bytes": found.free})


def look(node: Node) -> Spool:
    """Return what the spool holds and can hold; a spool that is not made yet is empty."""
    sizes = list(_sizes(node.spool))
    used = sum(sizes)
    free = _free(node.spool)
    room = max(0, free - node.settings.spool.min_free_bytes)
    share = 100 * used / (used + room) if used else 0.0
    return Spool(files=len(sizes), used=used, free=free, share=share)


def _sizes(spool: Path) -> Iterator[int]:
    with suppress(FileNotFoundError), os.scandir(spool) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # stored meanwhile
                yield entry.stat(follow_symlinks=False).st_size


def _free(spool: Path) -> int:
    for place in (spool, *spool.parents):
        with suppress(FileNotFoundError):
            space = os.statvfs(place)
            return space.f_bavail * space.f_frsize
    return 0
