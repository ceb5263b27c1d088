"""Writers of one key on one machine take turns.

Some stores ignore the condition "only if there is no such object": two writers would make two versions, and
both would be locked for a year. The lock is a file's (``flock``): a crash releases it, and threads and
processes are kept apart alike. Writers on other machines are not: what they make at the same moment is found
afterwards, see ``S3Vault``.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.s3.uploads import own_disk


class Turns:
    """Locks in a folder; keys share 256 of them, so that the folder does not grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Wait until nobody else has the key's turn, and have it inside the ``with``. Do not nest.

        Raises as ``own_disk``.
        """
        name = f"turn-{hashlib.sha256(key.encode()).hexdigest()[:2]}"
        with own_disk(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
