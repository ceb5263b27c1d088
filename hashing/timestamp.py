"""Trusted timestamps (RFC 3161) over signature values: CAdES-T (ETSI EN 319 122-1, 5.3).

The token goes into the seal as an unsigned attribute, so the signature itself stays as it was. A token
is taken only if it was checked: another imprint, nonce or signer is an authority that errs or lies.
"""

import hashlib
import http.client
import ipaddress
import secrets
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from config.errors import (
    InvalidSettingError,
    SealInvalidError,
    TimestampInvalidError,
    TimestampUnavailableError,
)
from hashing.asn1 import alone
from hashing.stamped import attach, embedded_token, signature_value

__all__ = ["Authority", "attach", "embedded_token", "signature_value", "verify_token"]

MAX_REPLY_BYTES = 64 * 1024
_HTTP_OK = 200
_GRANTED = (0, 1)  # granted, granted with modifications (RFC 3161, 2.4.2)


@dataclass(frozen=True)
class Authority:
    """A timestamp authority: where it is, and the certificates its tokens must lead to.

    ``timeout``: seconds for the whole exchange, name resolution included. Raises InvalidSettingError for
    a URL that is not https (http is for this machine only), or that carries a password.
    """

    url: str
    trust_roots: tuple[x509.Certificate, ...]
    timeout: float = 5.0

    def __post_init__(self) -> None:
        problem = _url_problem(self.url)
        if problem is not None:
            raise InvalidSettingError(key="timestamp.url", problem=problem)

    def token(self, stamped: bytes) -> bytes:
        """Ask for a token over the signature value ``stamped``; return it in DER once it is checked.

        Raises TimestampUnavailableError when the authority does not answer, and TimestampInvalidError
        when it answers with anything but a good token for this very request.
        """
        nonce = secrets.randbits(63)
        reply = self._ask(_request(stamped, nonce))
        token, found_nonce = self._parse(reply)
        if found_nonce != nonce:
            raise TimestampInvalidError(url=self.url, problem="the answer is to another request (nonce)")
        try:
            verify_token(token, stamped, trust_roots=self.trust_roots)
        except SealInvalidError as error:
            raise TimestampInvalidError(url=self.url, problem=str(error.facts.get("problem"))) from error
        return token

    def _ask(self, body: bytes) -> bytes:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        outcome: list[tuple[int, bytes] | Exception] = []
        sockets: list[socket.socket] = []  # the connection forgets its own before the answer is read

        def exchange() -> None:
            try:
                connection.connect()
                sockets.append(connection.sock)
                outcome.append(_post(connection, path, body))
            except (OSError, http.client.HTTPException) as error:
                outcome.append(error)

        # In a thread: a socket's timeout bounds each wait, but neither the resolver nor an authority that
        # sends a byte now and then.
        thread = threading.Thread(target=exchange, name="sealdock-timestamp", daemon=True)
        thread.start()
        thread.join(self.timeout)
        found = outcome[0] if outcome else TimeoutError(f"no complete answer within {self.timeout:g} s")
        if isinstance(found, Exception):
            for waiting in sockets:  # ends a thread that still reads; of TLS only the socket below it
                with suppress(OSError):
                    socket.socket.shutdown(waiting, socket.SHUT_RDWR)
            problem = str(found) or type(found).__name__
            raise TimestampUnavailableError(url=self.url, problem=problem) from found
        status, data = found
        if status != _HTTP_OK:  # a redirect is no answer either: trust does not move with it
            raise TimestampUnavailableError(url=self.url, problem=f"HTTP status {status}")
        if len(data) > MAX_REPLY_BYTES:
            raise TimestampInvalidError(url=self.url, problem=f"answer larger than {MAX_REPLY_BYTES} bytes")
        return data

    @alone
    def _parse(self, reply: bytes) -> tuple[bytes, int | None]:
        from asn1crypto import tsp  # noqa: PLC0415 - only homes with an authority need it

        try:
            answer = tsp.TimeStampResp.load(reply, strict=True)
            status = int(answer["status"]["status"])
            if status not in _GRANTED:  # no token was given, so none is wrong: it may be given later
                raise TimestampUnavailableError(url=self.url, problem=f"it refused, with status {status}")
            token = answer["time_stamp_token"]
            info = token["content"]["encap_content_info"]["content"].parsed
            return token.dump(), info["nonce"].native
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TimestampInvalidError(url=self.url, problem=f"not a timestamp: {error}"[:200]) from error


def verify_token(token: bytes, stamped: bytes, *, trust_roots: Sequence[x509.Certificate]) -> datetime:
    """Check a token over the signature value ``stamped``, at the token's own time; return that time (UTC).

    1. Its signer's certificate is for timestamps only and led to one of ``trust_roots`` at that time.
    2. Its signature holds.
    3. It is over the digest of ``stamped``.

    Raises SealInvalidError.
    """
    import rfc3161_client  # noqa: PLC0415 - only homes with an authority need it

    if not trust_roots:
        raise SealInvalidError(what="timestamp", problem="no root is trusted for timestamps")
    try:
        response: Any = _as_response(token, rfc3161_client)
        # Only the roots: whatever else the verifier is told it trusts as much as them. It finds the
        # certificates between in the token itself.
        verifier = rfc3161_client.VerifierBuilder(roots=list(trust_roots)).build()
        verifier.verify_message(response, stamped)
        made: datetime = response.tst_info.gen_time
    except (ValueError, TypeError, KeyError, rfc3161_client.VerificationError) as error:
        problem = str(error).partition(": ErrorStack")[0][:200] or type(error).__name__
        raise SealInvalidError(what="timestamp", problem=problem) from error
    return made.astimezone(UTC)


@alone
def _request(stamped: bytes, nonce: int) -> bytes:
    from asn1crypto import tsp  # noqa: PLC0415

    imprint = {
        "hash_algorithm": {"algorithm": "sha256"},
        "hashed_message": hashlib.sha256(stamped).digest(),
    }
    request = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    return bytes(tsp.TimeStampReq(request).dump())


@alone
def _as_response(token: bytes, library: Any) -> Any:
    """Wrap a bare token as the granted response that the verifier reads."""
    from asn1crypto import cms, tsp  # noqa: PLC0415

    wrapped = tsp.TimeStampResp(
        {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
    )
    return library.decode_timestamp_response(wrapped.dump())


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/timestamp-query"})
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_REPLY_BYTES + 1)
    finally:
        connection.close()


def _url_problem(url: str) -> str | None:
    """Tell what is wrong with an authority's address; the address itself may hold a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    if not host or parts.scheme not in {"http", "https"}:
        return "it is not an http or https URL"
    if parts.username is not None or parts.password is not None:
        return "it carries a user name or password"
    if parts.scheme == "http" and not _loopback(host):
        return "only https is allowed off this machine"
    return None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
