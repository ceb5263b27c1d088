"""A stored version as a file to read: flat memory, seekable, and it goes on after a broken connection."""

import io
import time
from typing import TYPE_CHECKING

from config.errors import ObjectMissingError, VaultUnavailableError
from hashing.chunks import CHUNK_SIZE
from storage.s3.faults import AbsentError, RejectedError, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.response import StreamingBody

    from storage.s3.bucket import Bucket

ATTEMPTS = 3
PAUSE_SECONDS = 0.5


class VersionStream(io.RawIOBase):
    """Reads one version. From the start on it is one request; after a seek, one for every chunk."""

    def __init__(self, bucket: "Bucket", key: str, version: str, size: int) -> None:
        super().__init__()
        self._bucket = bucket
        self._key = key
        self._version = version
        self._size = size
        self._position = 0
        self._piece = size
        """Bytes a request asks for."""
        self._end = 0
        """Where the present request ends."""
        self._body: StreamingBody | None = None

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be sought in."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; what is read from there on is asked for in pieces of a chunk."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset != self._position:
            self._drop()
            self._position = start + offset
            self._piece = CHUNK_SIZE
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what comes, at least a byte before the end.

        Raises VaultUnavailableError once several tries failed, ObjectMissingError if the version has gone.
        """
        view = memoryview(buffer).cast("B")
        if not view or self._position >= self._size:
            return 0
        data = self._read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Give the connection back."""
        self._drop()
        super().close()

    def _read(self, most: int) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._try(most)
            except VaultUnavailableError:
                self._drop()
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _try(self, most: int) -> bytes:
        try:
            with translated(self._bucket.url):
                if self._body is None or self._position >= self._end:
                    self._drop()
                    self._end = min(self._position + self._piece, self._size)
                    self._body = self._bucket.body(self._key, self._version, self._position, self._end)
                data = self._body.read(min(most, self._end - self._position))
        except (AbsentError, RejectedError) as error:
            raise ObjectMissingError(key=self._key) from error
        if not data:
            raise VaultUnavailableError(vault=self._bucket.url, problem="the answer broke off")
        return data

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
