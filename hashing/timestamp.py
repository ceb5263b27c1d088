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

MAX_REPLY_BYTES = 64 * 1024
_ATTRIBUTE = "signature_time_stamp_token"
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

    def token(self, signature_value: bytes) -> bytes:
        """Ask for a token over a signature value; return it in DER once it is checked.

        Raises TimestampUnavailableError when the authority does not answer, and TimestampInvalidError
        when it answers with anything but a good token for this very request.
        """
        nonce = secrets.randbits(63)
        reply = self._ask(_request(signature_value, nonce))
        token, found_nonce = self._parse(reply)
        if found_nonce != nonce:
            raise TimestampInvalidError(url=self.url, problem="the answer is to another request (nonce)")
        try:
            verify_token(token, signature_value, trust_roots=self.trust_roots)
        except SealInvalidError as error:
            raise TimestampInvalidError(url=self.url, problem=str(error.facts.get("problem"))) from error
        return token

    def _ask(self, body: bytes) -> bytes:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        outcome: list[tuple[int, bytes] | Exception] = []

        def exchange() -> None:
            try:
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
            with suppress(OSError, AttributeError):  # wakes a thread that still waits
                connection.sock.shutdown(socket.SHUT_RDWR)
            problem = str(found) or type(found).__name__
            raise TimestampUnavailableError(url=self.url, problem=problem) from found
        status, data = found
        if status != _HTTP_OK:  # a redirect is no answer either: trust does not move with it
            raise TimestampUnavailableError(url=self.url, problem=f"HTTP status {status}")
        if len(data) > MAX_REPLY_BYTES:
            raise TimestampInvalidError(url=self.url, problem=f"answer larger than {MAX_REPLY_BYTES} bytes")
        return data

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


def verify_token(
    token: bytes, signature_value: bytes, *, trust_roots: Sequence[x509.Certificate]
) -> datetime:
    """Check a token over a signature value, at the token's own time; return that time (UTC).

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
        verifier.verify_message(response, signature_value)
        made: datetime = response.tst_info.gen_time
    except (ValueError, TypeError, KeyError, rfc3161_client.VerificationError) as error:
        raise SealInvalidError(what="timestamp", problem=str(error)[:200] or "invalid") from error
    return made.astimezone(UTC)


def attach(seal: bytes, token: bytes) -> bytes:
    """Return the seal with a token as unsigned attribute; the signature itself is unchanged.

    A token that it carries already is replaced. The caller has checked the token
    (:meth:`Authority.token` has). Raises SealInvalidError if one of the two cannot be read.
    """
    from asn1crypto import cms  # noqa: PLC0415 - only homes with an authority need it

    content = _content(seal)
    info = _signer_info(content)
    kept = [item for item in _unsigned(info) if item["type"].native != _ATTRIBUTE]
    stamped = cms.CMSAttribute({"type": _ATTRIBUTE, "values": [_content(token)]})
    info["unsigned_attrs"] = cms.CMSAttributes([*kept, stamped])
    return bytes(content.dump(force=True))


def signature_value(seal: bytes) -> bytes:
    """Return the signature value of a seal: what a timestamp covers. Raises SealInvalidError."""
    value: bytes = _signer_info(_content(seal))["signature"].native
    return value


def embedded_token(seal: bytes) -> bytes | None:
    """Return the token that a seal carries, if there is one. Raises SealInvalidError."""
    info = _signer_info(_content(seal))
    for attribute in _unsigned(info):
        if attribute["type"].native == _ATTRIBUTE:
            return bytes(attribute["values"][0].dump())
    return None


def _content(data: bytes) -> Any:
    """Read CMS signed data, wholly, so that later steps meet no surprises."""
    from asn1crypto import cms  # noqa: PLC0415 - only homes with an authority need it

    try:
        content = cms.ContentInfo.load(data, strict=True)
        if content["content_type"].native != "signed_data":
            raise SealInvalidError(what="seal", problem="it is not CMS signed data")
        content.native  # noqa: B018 - parses every part
    except (ValueError, TypeError, KeyError) as error:
        raise SealInvalidError(what="seal", problem=f"not CMS: {error}"[:200]) from error
    return content


def _signer_info(content: Any) -> Any:
    infos = content["content"]["signer_infos"]
    if len(infos) != 1:
        raise SealInvalidError(what="seal", problem="it is not one signature")
    return infos[0]


def _unsigned(info: Any) -> Any:
    return info["unsigned_attrs"] if info["unsigned_attrs"].native else ()


def _request(signature_value: bytes, nonce: int) -> bytes:
    from asn1crypto import tsp  # noqa: PLC0415

    imprint = {
        "hash_algorithm": {"algorithm": "sha256"},
        "hashed_message": hashlib.sha256(signature_value).digest(),
    }
    request = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    return bytes(tsp.TimeStampReq(request).dump())


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
