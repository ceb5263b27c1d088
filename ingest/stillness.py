"""When a drop folder has come to rest: nobody says "done", so it is what has not changed for a while."""

import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from ingest.source import Entry

UNFINISHED = (b".part", b".partial", b".tmp", b".crdownload", b".filepart", b".!ut")
"""How programs that copy name what they have not finished."""

ABANDONED = timedelta(hours=1)
"""An unfinished name that nobody wrote to for so long will not be finished: it is taken as it is."""


class Stillness:
    """Watches one folder: ask again and again with what is in it."""

    def __init__(self, quiet: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._seen = b""
        self._since = clock()
        self.due: float | None = None
        """When it will have come to rest if nothing changes, by the clock; None: nothing is waited for."""

    def look(self, entries: Iterable[Entry]) -> bytes | None:
        """Return a fingerprint of names, sizes and times once they have stood still for long enough.

        None while something changes, while a copying program's name says that it is not done (for
        ``ABANDONED`` at most), and for an empty folder.
        """
        listed = list(entries)
        found = fingerprint(listed)
        now = self._clock()
        if found != self._seen:
            self._seen, self._since = found, now
        unfinished = any(entry.path.lower().endswith(UNFINISHED) for entry in listed)
        needed = max(self._quiet, ABANDONED) if unfinished else self._quiet
        due = self._since + needed.total_seconds()
        self.due = due if listed and now < due else None
        return found if listed and now >= due else None


def fingerprint(entries: Iterable[Entry]) -> bytes:
    """Return what changes when a name, a size or a time does."""
    hasher = hashlib.sha256()
    for entry in entries:
        hasher.update(b"%d %d %d\0%s" % (len(entry.path), entry.size, entry.mtime_ns, entry.path))
    return hasher.digest()
