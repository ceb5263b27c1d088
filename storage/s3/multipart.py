"""Large files go to the store in parts, several at a time.

1. The upload is begun and remembered on disk, where it is ended if that fails; or the one that was cut off
   goes on: a part that the store has already, with the MD5 that it must have, is not sent again.
2. The file is read once. Its SHA-256 is computed on the way, and every part carries its Content-MD5, so the
   store refuses what changed on the way to it.
3. The file's SHA-256 and size are compared *before* the upload is completed: a wrong file is never published.
4. After any failure but trouble with the network the upload is ended in the store. After that trouble, and
   after a kill, it stays and goes on later.

Memory: at most ``IN_FLIGHT + 1`` parts for each vault, however many files are under way. One file after the
other, in the order in which they came: files that shared the line would all be through at once, and then
nothing is ready to be sent.
"""

import base64
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import BoundedSemaphore

from config.errors import DigestMismatchError, VaultUnavailableError
from hashing.digest import Algorithm, Digest
from storage.read_back import compare
from storage.s3.bucket import OWNER, Bucket, bare
from storage.s3.faults import AbsentError, translated
from storage.s3.line import Line
from storage.s3.uploads import Begun, Uploads, end

MIB = 1 << 20
PART = 16 * MIB
"""Bytes; a file up to this size is sent in one request."""
MOST_PARTS = 10_000
IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Sent:
    """A completed upload: its version if the store said it, and the composite ETag that it must have."""

    version: str | None
    etag: str


class Multipart:
    """Sends files of one vault in parts."""

    def __init__(self, bucket: Bucket, uploads: Uploads) -> None:
        self._bucket = bucket
        self._uploads = uploads
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="sealdock-part")
        self._room = BoundedSemaphore(IN_FLIGHT + 1)
        self._line = Line()
        self._swept = False

    def send(self, key: str, source: int, *, digest: Digest, size: int, until: datetime, what: str) -> Sent:
        """Upload the open file; ``what`` names it in the error.

        Raises:
            DigestMismatchError: it does not hold what was said. Nothing was published.
            SpoolFullError, SpoolUnavailableError: the upload cannot be remembered in the home.

        """
        if not self._swept:
            self._swept = True
            self._uploads.sweep(self._bucket)
        begun, there = self._begin(key, digest, size, until)
        with self._ended_on_failure(begun):
            if there is None:
                self._uploads.note(begun)
            parts = self._send_parts(begun, there or {}, source, digest, what)
            return self._complete(begun, parts)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _begin(
        self, key: str, digest: Digest, size: int, until: datetime
    ) -> tuple[Begun, dict[int, str] | None]:
        """Begin an upload, or take up the one that was cut off with the MD5 of the parts it has.

        One that was just begun has None of them, and is not remembered yet: who called must see to its end.
        """
        known = self._uploads.find(key)
        if known is not None:
            if (known.sha256, known.size) == (digest.hex, size):
                try:
                    return known, self._parts_of(known)
                except AbsentError:
                    pass  # the store ended it
            else:
                end(self._bucket, self._bucket.full(key), known.upload)
        with translated(self._bucket.url):
            answer = self._bucket.client.create_multipart_upload(
                Bucket=self._bucket.name,
                Key=self._bucket.full(key),
                ACL=OWNER,
                # Some stores forget these; the lock is set and read back afterwards in any case.
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        return Begun(key, answer["UploadId"], digest.hex, size, part_size(size)), None

    def _parts_of(self, begun: Begun) -> dict[int, str]:
        with translated(self._bucket.url):
            pages = self._bucket.client.get_paginator("list_parts").paginate(
                Bucket=self._bucket.name, Key=self._bucket.full(begun.key), UploadId=begun.upload
            )
            return {row["PartNumber"]: bare(row["ETag"]) for page in pages for row in page.get("Parts", [])}

    @contextmanager
    def _ended_on_failure(self, begun: Begun) -> Iterator[None]:
        try:
            yield
        except VaultUnavailableError:
            raise  # it goes on later
        except Exception:
            end(self._bucket, self._bucket.full(begun.key), begun.upload)
            self._uploads.forget(begun.key)
            raise

    def _send_parts(
        self, begun: Begun, there: dict[int, str], source: int, digest: Digest, what: str
    ) -> list[bytes]:
        """Read the file once, send what the store does not have, and return the MD5 of every part."""
        hasher = Algorithm.SHA256.new()
        seen = 0
        running: list[Future[bytes]] = []
        try:
            with self._line:
                for number, offset in enumerate(range(0, begun.size, begun.part_size), start=1):
                    self._room.acquire()
                    try:
                        data = _read(source, offset, begun.part_size, what)
                        part = self._pool.submit(self._send_part, begun, number, data, there.get(number))
                    except BaseException:
                        self._room.release()
                        raise
                    part.add_done_callback(lambda _: self._room.release())
                    running.append(part)
                    hasher.update(data)
                    seen += len(data)
                    if any(item.done() and item.exception() for item in running):
                        break
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            for part in running:
                part.cancel()
            wait(running)
        for part in running:
            if not part.cancelled() and (problem := part.exception()) is not None:
                raise problem
        found = Digest(Algorithm.SHA256, hasher.digest())
        compare(found=(seen, found), expected=(begun.size, digest), what=what)
        return [part.result() for part in running]

    def _send_part(self, begun: Begun, number: int, data: bytes, there: str | None) -> bytes:
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        if there != md5.hex():
            with translated(self._bucket.url):
                self._bucket.client.upload_part(
                    Bucket=self._bucket.name,
                    Key=self._bucket.full(begun.key),
                    UploadId=begun.upload,
                    PartNumber=number,
                    Body=data,
                    ContentMD5=base64.b64encode(md5).decode(),
                )
        return md5

    def _complete(self, begun: Begun, parts: list[bytes]) -> Sent:
        version = None
        with suppress(AbsentError), translated(self._bucket.url):
            # Absent: an earlier request completed it, and its answer was lost.
            answer = self._bucket.client.complete_multipart_upload(
                Bucket=self._bucket.name,
                Key=self._bucket.full(begun.key),
                UploadId=begun.upload,
                MultipartUpload={
                    "Parts": [
                        {"PartNumber": number, "ETag": f'"{md5.hex()}"'}
                        for number, md5 in enumerate(parts, start=1)
                    ]
                },
            )
            version = answer.get("VersionId")
        self._uploads.forget(begun.key)
        return Sent(version, composite_etag(parts))


def part_size(size: int) -> int:
    """Return the size of a file's parts in bytes: PART, or more where they would be too many."""
    return max(PART, -(-size // MOST_PARTS // MIB) * MIB)


def composite_etag(parts: list[bytes]) -> str:
    """Return the ETag that an object has whose parts have these MD5: their MD5, and how many they are."""
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def _read(source: int, offset: int, most: int, what: str) -> bytes:
    """Read a part of the file; that it cannot be read is not the store's failure."""
    try:
        data = os.pread(source, most, offset)
        while 0 < len(data) < most and (more := os.pread(source, most - len(data), offset + len(data))):
            data += more
    except OSError as error:
        raise DigestMismatchError(
            what=what, algorithm="sha256", expected="a file", found=error.strerror
        ) from error
    return data
