"""Canonical JSON (RFC 8785): one value has one spelling, so its digest can be sealed.

What JSON cannot hold has one encoding here (docs/formats.md): times are RFC 3339 UTC strings, integers
beyond 2^53 are decimal strings, names that are no clean UTF-8 are ``{"text", "bytes_b64"}``. NaN and
infinities are refused.
"""

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NoReturn

import rfc8785

from config.errors import ManifestInvalidError

MAX_BYTES = 16 * 1024 * 1024
"""Largest document that is read unless the caller allows more."""
MAX_DEPTH = 64
"""Levels of lists and objects; a deeper document is hostile."""

_BASIC = "\ud7ff"
"""Keys up to here sort by code points as they do by UTF-16 code units."""
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
).encode
_OFFSET = len("+00:00")
_EXACT = 2**53 - 1  # RFC 8785 counts on IEEE 754 doubles: beyond this they skip integers


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a value of dicts, lists, strings, numbers, booleans, times and None.

    Raises ValueError for naive times, NaN, infinities, surrogates, keys that are no strings, and types
    that have no encoding.
    """
    odd: list[object] = []
    plain = _plain(value, 0, odd)
    try:
        if odd:
            return bytes(rfc8785.dumps(plain))
        # Ten times as quick, and the same bytes: what differs between the two is numbers with a fraction, and
        # the order of keys beyond the basic plane of Unicode.
        return _ENCODER(plain).encode("utf-8")
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"not canonical JSON: {error}") from error


def decode(data: bytes, *, limit: int = MAX_BYTES) -> Any:
    """Read canonical JSON of at most ``limit`` bytes; any other spelling of the same value is refused.

    Raises ManifestInvalidError: not JSON, duplicate keys, too large or deep, or not canonical.
    """
    if len(data) > limit:
        raise ManifestInvalidError(problem=f"larger than {limit} bytes")
    try:
        value = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_refuse, parse_int=_integer)
        again = encode(value)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalidError(problem=str(error)[:200]) from error
    if again != data:
        raise ManifestInvalidError(problem="not in canonical form")
    return value


def name(raw: bytes) -> str | dict[str, str]:
    """Encode a name from a file system: the text itself, or text and exact bytes where it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", errors="replace")
        return {"text": text, "bytes_b64": base64.b64encode(raw).decode("ascii")}


def name_bytes(encoded: str | Mapping[str, str]) -> bytes:
    """Return the exact bytes of an encoded name. Raises ValueError for what :func:`name` never makes."""
    if isinstance(encoded, str):
        return encoded.encode("utf-8")
    try:
        raw = base64.b64decode(encoded["bytes_b64"], validate=True)
    except KeyError as error:
        raise ValueError("a name is a text, or has the field bytes_b64") from error
    if name(raw) != encoded:
        raise ValueError("the text and the bytes of a name do not belong together")
    return raw


def time(at: datetime) -> str:
    """Return an RFC 3339 UTC time; microseconds only if there are any. ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError(f"naive time refused: {at!r}")
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat()[:-_OFFSET]}Z"


def integer(value: int) -> int | str:
    """Return an integer as it stands in a document: a decimal string beyond 2^53."""
    return value if -_EXACT <= value <= _EXACT else str(value)


def _plain(value: Any, depth: int, odd: list[object]) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a line
    """Return a value as JSON holds it; what only RFC 8785's own rules can spell is put into ``odd``."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if depth > MAX_DEPTH:
        raise ValueError(f"deeper than {MAX_DEPTH} levels")
    if isinstance(value, Enum):
        return _plain(value.value, depth, odd)
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("NaN and infinities have no JSON")
        odd.append(value)
        return value
    if isinstance(value, datetime):
        return time(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError("keys are strings")  # noqa: TRY004 - one error for all that has no form
            if not key.isascii() and max(key) > _BASIC:
                odd.append(key)
        return {key: _plain(item, depth + 1, odd) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1, odd) for item in value]
    raise ValueError(f"no canonical form for {type(value).__name__}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _integer(digits: str) -> int | float:
    # Large doubles without a fraction are written like integers (1e20: 100000000000000000000).
    value = int(digits)
    return value if -_EXACT <= value <= _EXACT else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} has no place in JSON")
