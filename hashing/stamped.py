"""The place of a timestamp in a seal: an unsigned attribute beside the signature (RFC 3161, appendix A).

A token is spliced in by bytes, not by writing the whole seal anew: what was signed stays as it was
written, whoever wrote it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from config.errors import SealInvalidError
from hashing.asn1 import alone

_TOKEN_OID = bytes.fromhex("060b2a864886f70d010910020e")  # id-aa-timeStampToken, with tag and length
_SEQUENCE, _SET = 16, 17
_CONTEXT = 2  # the class of tags that a structure gives its own meaning


@alone
def attach(seal: bytes, token: bytes) -> bytes:
    """Return the seal with a token as unsigned attribute; the signature itself is unchanged.

    A token that it carries already is replaced. The caller has checked the token
    (:meth:`hashing.timestamp.Authority.token` has). Raises SealInvalidError if one of the two is not CMS.
    """
    with _readable():
        _signer_info(token)  # a token is signed data, too
        return _spliced(seal, token)


def _spliced(seal: bytes, token: bytes) -> bytes:
    content_type, explicit = _parts(_value(seal))
    *before, infos = _parts(_value(explicit.content))
    fields = _parts(_value(infos.content))
    attributes: list[bytes] = []
    if (fields[-1].kind, fields[-1].tag) == (_CONTEXT, 1):  # [1] IMPLICIT: those there are already
        attributes = [item.encoded for item in _parts(fields.pop().content)]
    kept = [item for item in attributes if not _value(item).startswith(_TOKEN_OID)]
    stamped = _emit(_SEQUENCE, _TOKEN_OID + _emit(_SET, token))
    # DER sorts the members of a set by their bytes (X.690, 11.6).
    unsigned = _emit(1, b"".join(sorted([*kept, stamped])), of_context=True)
    new_info = _emit(_SEQUENCE, _joined(fields) + unsigned)
    new_inner = _emit(_SEQUENCE, _joined(before) + _emit(_SET, new_info))
    return _emit(_SEQUENCE, content_type.encoded + _emit(0, new_inner, of_context=True))


@alone
def signature_value(seal: bytes) -> bytes:
    """Return the signature value of a seal: what a timestamp covers. Raises SealInvalidError."""
    with _readable():
        value: bytes = _signer_info(seal)["signature"].native
        return value


@alone
def embedded_token(seal: bytes) -> bytes | None:
    """Return the token that a seal carries, if there is one. Raises SealInvalidError."""
    with _readable():
        for attribute in _signer_info(seal)["unsigned_attrs"]:
            if attribute["type"].native == "signature_time_stamp_token":
                return bytes(attribute["values"][0].dump())
        return None


@contextmanager
def _readable() -> Iterator[None]:
    """Turn what asn1crypto raises for other bytes into SealInvalidError; it parses late, so anywhere."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise SealInvalidError(what="seal", problem=f"not CMS: {error}"[:200]) from error


def _signer_info(seal: bytes) -> Any:
    infos = _signed_data(seal)["signer_infos"]
    if len(infos) != 1:
        raise SealInvalidError(what="seal", problem="it is not one signature")
    return infos[0]


def _signed_data(data: bytes) -> Any:
    from asn1crypto import cms  # noqa: PLC0415 - slow to load, and not every command checks seals

    content = cms.ContentInfo.load(data, strict=True)
    if content["content_type"].native != "signed_data":
        raise SealInvalidError(what="seal", problem="it is not CMS signed data")
    return content["content"]


class _Part(NamedTuple):
    """One DER value as asn1crypto's parser gives it."""

    kind: int
    method: int
    tag: int
    header: bytes
    content: bytes
    trailer: bytes

    @property
    def encoded(self) -> bytes:
        return self.header + self.content + self.trailer


def _parts(data: bytes) -> list[_Part]:
    from asn1crypto import parser  # noqa: PLC0415 - see above

    found = []
    while data:
        found.append(_Part(*parser.parse(data)))
        data = data[len(found[-1].encoded) :]
    return found


def _value(data: bytes) -> bytes:
    (part,) = _parts(data)
    return part.content


def _joined(parts: list[_Part]) -> bytes:
    return b"".join(part.encoded for part in parts)


def _emit(tag: int, content: bytes, *, of_context: bool = False) -> bytes:
    from asn1crypto import parser  # noqa: PLC0415 - see above

    return bytes(parser.emit(_CONTEXT if of_context else 0, 1, tag, content))
