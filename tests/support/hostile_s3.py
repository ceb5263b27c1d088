"""A stand-in for an S3 store that lies. It speaks just enough of the protocol to be believed.

It proves no lock and no signature: real stores are for that. It shows what becomes of a clip whose store
answers 200 and does otherwise.
"""

import base64
import hashlib
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MIB = 1 << 20
_XML = '<?xml version="1.0" encoding="UTF-8"?>'


class Lie(Enum):
    """What the store does with a clip; documents it keeps. ``LATER`` is meant for clips that are safe."""

    NONE = auto()
    KEEPS_NOTHING = auto()
    OTHER_BYTES = auto()
    OTHER_CHECKSUM = auto()
    """Other bytes are kept, and the ETag is honestly theirs: nothing is wrong but that."""
    OTHER_BYTES_LATER = auto()
    FEWER_BYTES = auto()
    NO_LOCK = auto()
    DROPS_LOCK = auto()
    """The lock is shown once, then it is gone."""
    DROPS_LOCK_LATER = auto()
    SHORTER_LOCK = auto()
    GOVERNANCE = auto()
    ENDLESS = auto()
    """Every body that is read goes on and on."""
    HUGE_LISTING = auto()
    """A listing of versions that never ends: page after page."""
    GARBAGE = auto()
    """Answers 200 with a page that is no S3 at all."""


@dataclass
class _Kept:
    data: bytes
    etag: str
    mode: str = ""
    until: str = ""
    heads: int = 0


@dataclass
class HostileStore:
    """What it keeps: a version of each key."""

    lie: Lie
    url: str = ""
    kept: dict[str, _Kept] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    answers: int = 0
    checked: list[bool] = field(default_factory=list)
    """For each body of an object or a part: whether it came with its Content-MD5."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def about(self, key: str, lie: Lie) -> bool:
        """Tell whether it lies so about this key."""
        return self.lie is lie and "/clips/" in f"/{key}"

    def digest(self, key: str, _version: str) -> str:
        """Return the SHA-256 of what it keeps under a key of the vault."""
        return hashlib.sha256(self.kept[key].data).hexdigest()

    def put(self, key: str, parts: list[bytes], mode: str, until: str, *, whole: bool) -> str:
        """Keep an object as it lies; return its ETag: of one that came in parts that of their MD5."""
        etag = _md5(parts[0]).hex() if whole else _composite(parts)
        if self.about(key, Lie.KEEPS_NOTHING):
            return etag
        other = [bytes([parts[0][0] ^ 1]) + parts[0][1:] if parts[0] else b"\1", *parts[1:]]
        if self.about(key, Lie.OTHER_BYTES):
            parts = other
        if self.about(key, Lie.OTHER_CHECKSUM):
            parts = other
            etag = _md5(parts[0]).hex() if whole else _composite(parts)
        if self.about(key, Lie.FEWER_BYTES):
            parts = [*parts[:-1], parts[-1][:-1]]
        self.kept[key] = _Kept(b"".join(parts), etag)
        self.retain(key, mode, until)
        return etag

    def refuses(self, key: str, mode: str = "", until: str = "") -> bool:
        """Tell whether a lock stands against deleting a version, or against locking it less."""
        kept = self.kept.get(key)
        if kept is None or kept.mode != "COMPLIANCE" or _time(kept.until) < datetime.now(UTC):
            return False
        return mode != "COMPLIANCE" or _time(until) < _time(kept.until)

    def retain(self, key: str, mode: str, until: str) -> None:
        if self.about(key, Lie.NO_LOCK) or not mode:
            return
        if self.about(key, Lie.GOVERNANCE):
            mode = "GOVERNANCE"
        if self.about(key, Lie.SHORTER_LOCK):
            until = "2027-01-01T00:00:00Z"
        self.kept[key].mode, self.kept[key].until = mode, until


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _composite(parts: list[bytes]) -> str:
    return f"{_md5(b''.join(_md5(part) for part in parts)).hex()}-{len(parts)}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def hostile_store(lie: Lie) -> Iterator[HostileStore]:
    """Run a store on loopback until the block ends."""
    store = HostileStore(lie)
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request; ``store`` is set by the class that is made for each."""

    store: ClassVar[HostileStore]
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        key, asked = self._request()
        if self.store.lie is Lie.GARBAGE and key:
            self._answer(b"<html>Please log in to the wireless network</html>")
        elif "versioning" in asked:
            self._xml("VersioningConfiguration", "<Status>Enabled</Status>")
        elif "object-lock" in asked:
            self._xml("ObjectLockConfiguration", "<ObjectLockEnabled>Enabled</ObjectLockEnabled>")
        elif "versions" in asked:
            self._listing(asked)
        elif "uploads" in asked:
            self._xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        elif "uploadId" in asked:
            self._xml("ListPartsResult", "<IsTruncated>false</IsTruncated>")
        else:
            self._object(key, body=True)

    def do_HEAD(self) -> None:
        key, _ = self._request()
        self._object(key, body=False)

    def do_PUT(self) -> None:
        key, asked = self._request()
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        etag = _md5(data).hex()
        if not key:  # the bucket is not ours to change
            self._denied()
            return
        with self.store.lock:
            if "retention" in asked:
                mode, until = (
                    re.search(f"<{tag}>(.*?)</{tag}>", data.decode()) for tag in ("Mode", "RetainUntilDate")
                )
                if mode is None or until is None or self.store.refuses(key, mode[1], until[1]):
                    self._denied()
                    return
                if key in self.store.kept:
                    self.store.retain(key, mode[1], until[1])
            elif not self._carries_md5(data):
                self._xml("Error", "<Code>BadDigest</Code>", status=400)
                return
            elif "uploadId" in asked:
                self.store.parts[asked["uploadId"][0]][int(asked["partNumber"][0])] = data
            else:
                mode_name = self.headers.get("x-amz-object-lock-mode") or ""
                until_date = self.headers.get("x-amz-object-lock-retain-until-date") or ""
                etag = self.store.put(key, [data], mode_name, until_date, whole=True)
        self._answer(b"", ETag=f'"{etag}"', **{"x-amz-version-id": "one"})

    def do_POST(self) -> None:
        key, asked = self._request()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "uploads" in asked:
            self._xml("InitiateMultipartUploadResult", "<UploadId>an-upload</UploadId>")
            return
        with self.store.lock:
            parts = [data for _, data in sorted(self.store.parts.pop(asked["uploadId"][0]).items())]
            etag = self.store.put(key, parts, "", "", whole=False)
        self._xml("CompleteMultipartUploadResult", f"<ETag>{etag}</ETag>", **{"x-amz-version-id": "one"})

    def do_DELETE(self) -> None:
        key, asked = self._request()
        with self.store.lock:
            if self.store.refuses(key):
                self._denied()
                return
            if "versionId" in asked:
                self.store.kept.pop(key, None)
        self._answer(b"", status=204)

    def _carries_md5(self, data: bytes) -> bool:
        """Tell whether a body came with the MD5 that it has, and remember it."""
        carried = self.headers.get("Content-MD5") == base64.b64encode(_md5(data)).decode()
        self.store.checked.append(carried)
        return carried

    def _denied(self) -> None:
        self._xml("Error", "<Code>AccessDenied</Code>", status=403)

    def _request(self) -> tuple[str, dict[str, list[str]]]:
        self.store.answers += 1
        parts = urlsplit(self.path)
        return (
            unquote(parts.path).removeprefix("/").partition("/")[2],
            parse_qs(parts.query, keep_blank_values=True),
        )

    def _listing(self, asked: dict[str, list[str]]) -> None:
        prefix = asked.get("prefix", [""])[0]
        with self.store.lock:
            rows = [(key, kept) for key, kept in sorted(self.store.kept.items()) if key.startswith(prefix)]
        found = "".join(
            f"<Version><Key>{escape(key)}</Key><VersionId>one</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>2026-03-01T00:00:00.000Z</LastModified><Size>{len(kept.data)}</Size></Version>"
            for key, kept in rows
        )
        if self.store.about(prefix, Lie.HUGE_LISTING):
            number = self.store.answers
            found += "".join(
                f"<Version><Key>{escape(prefix)}</Key><VersionId>{number}-{n}</VersionId><IsLatest>false</IsLatest>"
                f"<LastModified>2026-03-01T00:00:00.000Z</LastModified><Size>1</Size></Version>"
                for n in range(1000)
            )
            found += (
                f"<IsTruncated>true</IsTruncated><NextKeyMarker>{escape(prefix)}</NextKeyMarker>"
                f"<NextVersionIdMarker>{number}</NextVersionIdMarker>"
            )
        else:
            found += "<IsTruncated>false</IsTruncated>"
        self._xml("ListVersionsResult", found)

    def _object(self, key: str, *, body: bool) -> None:
        store = self.store
        with store.lock:
            kept = store.kept.get(key)
            if kept is None:
                self._xml("Error", "<Code>NoSuchKey</Code>", status=404, body=body)
                return
            kept.heads += not body
            data, mode, until = kept.data, kept.mode, kept.until
            if store.about(key, Lie.OTHER_BYTES_LATER) and data:
                data = bytes([data[0] ^ 1]) + data[1:]
            if store.about(key, Lie.DROPS_LOCK) and kept.heads > 1:
                kept.mode = kept.until = mode = until = ""
            if store.about(key, Lie.DROPS_LOCK_LATER):
                mode = until = ""
        more: dict[str, Any] = {"ETag": f'"{kept.etag}"', "x-amz-version-id": "one"}
        more["Last-Modified"] = format_datetime(datetime(2026, 3, 1, tzinfo=UTC), usegmt=True)
        if mode:
            more |= {"x-amz-object-lock-mode": mode, "x-amz-object-lock-retain-until-date": until}
        if body and store.about(key, Lie.ENDLESS):
            self._endless(more)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if asked and body:
            data = data[int(asked[1]) : int(asked[2]) + 1]
        self._answer(data, status=206 if asked and body else 200, body=body, **more)

    def _endless(self, more: dict[str, str]) -> None:
        """Send a body without a length, for as long as anybody reads it."""
        self.send_response(200)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(bytes(MIB))

    def _xml(self, tag: str, inside: str, *, status: int = 200, body: bool = True, **more: str) -> None:
        self._answer(f"{_XML}<{tag}>{inside}</{tag}>".encode(), status=status, body=body, **more)

    def _answer(self, data: bytes, *, status: int = 200, body: bool = True, **more: str) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: test output is for findings."""
