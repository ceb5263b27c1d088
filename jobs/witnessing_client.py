"""Asking a witness for its cosignature, and for what it has seen last (C2SP tlog-witness).

Nothing that it answers is believed here: whoever calls verifies the signatures with the keys of its settings.
"""

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import SplitResult, quote, urlsplit

from config.urls import is_loopback
from hashing.notes import NoteError, Signature, encode_base64, parse_signatures

MAX_ANSWER = 64 * 1024
"""Bytes of the longest answer that is read."""
DEFAULT_TIMEOUT = timedelta(seconds=20)
_SIZE_TYPE = "text/x.tlog.size"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")
_SHOWN = 200
_AGAIN = frozenset({408, 425, 429})


class WitnessingError(Exception):
    """Base: a witness did not cosign. ``retriable``: the same request may succeed later."""

    retriable: ClassVar[bool] = False

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url}: {problem}")
        self.url = url
        self.problem = problem


class WitnessUnavailableError(WitnessingError):
    """It does not answer, or answers nonsense, or not now."""

    retriable = True


class WitnessConflictError(WitnessingError):
    """It has cosigned another size last: ``size``. A proof from there is what it needs."""

    def __init__(self, url: str, size: int) -> None:
        super().__init__(url, f"it has cosigned size {size} last")
        self.size = size


class WitnessRefusedError(WitnessingError):
    """It refuses: ``status`` 403 or 404 (key or log unknown), 409 or 422 (it knows another log), or 400."""

    def __init__(self, url: str, status: int, problem: str) -> None:
        super().__init__(url, f"{status} {problem}")
        self.status = status

    @property
    def contradicts(self) -> bool:
        """Whether what it cosigned before does not fit this log: a fork, or one of the two went back."""
        return self.status in {http.HTTPStatus.CONFLICT, http.HTTPStatus.UNPROCESSABLE_ENTITY}


def check_url(url: str) -> str:
    """Return the URL of a witness as it is; ValueError unless https, or http to this computer."""
    parts = urlsplit(url)
    _ = parts.port  # parsed only when asked for
    if not parts.hostname or parts.scheme not in {"https", "http"} or parts.query or parts.fragment:
        raise ValueError("write it like https://host/path")
    if "@" in parts.netloc:
        raise ValueError("a witness asks for no name and no password")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("use https; plain http is for this computer only")
    return url


def add_checkpoint(
    url: str,
    old_size: int,
    proof: Sequence[bytes],
    note: bytes,
    timeout: timedelta = DEFAULT_TIMEOUT,
    authorities: Path | None = None,
) -> list[Signature]:
    """Ask the witness at ``url`` to cosign a checkpoint; return the signature lines of its answer.

    ``old_size`` is what it cosigned last (0: unknown), ``proof`` leads from there (hashes of 32 bytes), and
    ``note`` is the checkpoint that the log has signed. ``authorities`` is a file of certificates (PEM) to
    trust instead of the system's. After ``timeout`` all is over, however slowly something comes in.

    Raises WitnessUnavailableError, WitnessConflictError, WitnessRefusedError, and ValueError for a URL that
    ``check_url`` refuses.
    """
    body = "\n".join([f"old {old_size}", *map(encode_base64, proof), "", ""]).encode() + note
    status, kind, answer = _ask("POST", url, "/add-checkpoint", body, timeout, authorities)
    if status == http.HTTPStatus.OK:
        try:
            return list(parse_signatures(answer))
        except NoteError as error:
            raise WitnessUnavailableError(url, f"no signature lines: {error}") from error
    if status == http.HTTPStatus.CONFLICT and kind == _SIZE_TYPE:
        found = _SIZE.fullmatch(answer)
        if found is None:
            raise WitnessUnavailableError(url, "it tells no size")
        raise WitnessConflictError(url, int(found[1]))
    _raise_for(url, status, answer)
    raise WitnessUnavailableError(url, f"it answers {status}")


def latest(
    url: str, origin: str, timeout: timedelta = DEFAULT_TIMEOUT, authorities: Path | None = None
) -> bytes | None:
    """Return the note that the witness at ``url`` has cosigned last for a log; None if there is none.

    Only witnesses of sealdock answer this. Raises as ``add_checkpoint``, without a conflict.
    """
    path = f"/checkpoint?origin={quote(origin, safe='')}"
    status, _kind, answer = _ask("GET", url, path, None, timeout, authorities)
    if status == http.HTTPStatus.OK:
        return answer
    if status == http.HTTPStatus.NOT_FOUND:
        return None
    _raise_for(url, status, answer)
    raise WitnessUnavailableError(url, f"it answers {status}")


def _raise_for(url: str, status: int, answer: bytes) -> None:
    """Raise WitnessRefusedError for what is the same next time."""
    if 400 <= status < 500 and status not in _AGAIN:  # noqa: PLR2004 - "client error" of HTTP
        text = answer[:_SHOWN].decode("utf-8", "replace").strip()
        raise WitnessRefusedError(url, status, text)


def _ask(
    method: str, url: str, path: str, body: bytes | None, timeout: timedelta, authorities: Path | None
) -> tuple[int, str, bytes]:
    """Return status, content type and body of an answer. Raises WitnessUnavailableError."""
    parts = urlsplit(check_url(url))
    connection = _connection(parts, timeout, authorities)
    try:
        connection.connect()
        with _deadline(connection.sock, timeout) as over:
            headers = {"Content-Type": "text/plain; charset=utf-8"} if body is not None else {}
            connection.request(method, parts.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
            data = answer.read(MAX_ANSWER + 1)
            kind = (answer.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    except (OSError, http.client.HTTPException) as error:
        problem = str(error) or type(error).__name__
        raise WitnessUnavailableError(url, problem) from error
    finally:
        connection.close()
    if over.is_set() or (answer.length and len(data) <= MAX_ANSWER):
        raise WitnessUnavailableError(url, "its answer did not come to an end")
    if len(data) > MAX_ANSWER:
        raise WitnessUnavailableError(url, "its answer is too long")
    return answer.status, kind, data


def _connection(
    parts: SplitResult, timeout: timedelta, authorities: Path | None
) -> http.client.HTTPConnection:
    host, seconds = str(parts.hostname), timeout.total_seconds()
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise WitnessUnavailableError(parts.geturl(), f"{authorities}: {error}") from error
    return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)


@contextmanager
def _deadline(connection: socket.socket, timeout: timedelta) -> Iterator[threading.Event]:
    """Cut a connection off after a time, and say so: a socket's own timeout counts from byte to byte."""
    over = threading.Event()

    def cut() -> None:
        over.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout.total_seconds(), cut)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
