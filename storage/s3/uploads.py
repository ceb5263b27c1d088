"""Uploads in parts that were begun: remembered on disk, so that the next process goes on or ends them.

A store keeps the parts of an upload that nobody finishes for ever, in no listing of objects, and bills them.
What is remembered is small: the store knows its parts, and what they should be is computed from the file
again, in the same read that proves the file's SHA-256.
"""

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.errors import SpoolFullError, SpoolUnavailableError, VaultError
from hashing import durable
from storage.s3.bucket import Bucket
from storage.s3.faults import AbsentError, RejectedError, translated

_FULL = {errno.ENOSPC, errno.EDQUOT}
_BLOCK = 4096
STALE = timedelta(days=7)
"""After so long nobody comes back for an upload; if somebody does, it is begun anew."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload that the store knows under the id ``upload``."""

    key: str
    upload: str
    sha256: str
    """Plain hexadecimal, of the whole file; ``size`` and ``part_size`` are bytes."""
    size: int
    part_size: int


class Uploads:
    """The uploads that this home began, a file each in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Begun | None:
        """Return what was begun for a key; None if nothing, or if the note is damaged."""
        try:
            return Begun(**json.loads(self._path(key).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def note(self, begun: Begun) -> None:
        """Remember an upload, before its first part is sent. Raises as ``own_disk``."""
        with own_disk(self._folder):
            durable.make_dirs(self._folder, mode=0o700)
            durable.replace(self._path(begun.key), json.dumps(asdict(begun)).encode(), mode=0o600)

    def forget(self, key: str) -> None:
        """Forget a key's upload: it was finished or ended. One that stays remembered is found absent then."""
        with suppress(OSError):
            self._path(key).unlink()

    def is_ours(self, key: str, upload: str) -> bool:
        """Tell whether this home began the upload of a key (below the vault's prefix)."""
        begun = self.find(key)
        return begun is not None and begun.upload == upload

    def sweep(self, bucket: Bucket) -> None:
        """End what has been lying in the store for longer than STALE, whoever began it.

        Whether that succeeds is of no account for what is stored now: the next sweep sees to the rest.
        """
        oldest = datetime.now(UTC) - STALE
        with suppress(VaultError, RejectedError, AbsentError):
            for key, upload in list(_stale(bucket, oldest)):
                end(bucket, key, upload)
        for path in self._folder.glob("*.json"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - STALE.total_seconds():
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


@contextmanager
def own_disk(folder: Path) -> Iterator[None]:
    """Say what is wrong with the home's own disk, where the store's uploads are remembered.

    Raises SpoolFullError or SpoolUnavailableError: like the spool it is needed on the way to a vault, and
    what waits for it goes on by itself.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise SpoolUnavailableError(path=str(folder), problem=error.strerror or str(error)) from error
        there = folder if folder.is_dir() else folder.parent
        free = shutil.disk_usage(there).free
        raise SpoolFullError(path=str(folder), needed=_BLOCK, free=min(free, _BLOCK - 1)) from error


def end(bucket: Bucket, full_key: str, upload: str) -> None:
    """End an upload: its parts are thrown away. Harmless if it was finished or ended before."""
    with suppress(AbsentError), translated(bucket.url):
        bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=full_key, UploadId=upload)


def _stale(bucket: Bucket, oldest: datetime) -> Iterator[tuple[str, str]]:
    for key, upload, begun_at in listing(bucket):
        if begun_at < oldest:
            yield key, upload


def listing(bucket: Bucket) -> Iterator[tuple[str, str, datetime]]:
    """List the uploads below the vault's prefix: key in the bucket, id, when it was begun."""
    with translated(bucket.url):
        pages = bucket.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket.name, Prefix=bucket.prefix
        )
        for page in pages:
            for row in page.get("Uploads", []):
                yield row["Key"], row["UploadId"], row["Initiated"].astimezone(UTC)
