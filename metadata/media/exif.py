"""Make, model and time of a JPEG still from its Exif segment (CIPA DC-008). Locations are not read."""

import struct
from datetime import UTC, datetime

from metadata.media.window import Window

_MAKE, _MODEL, _EXIF_IFD = 0x010F, 0x0110, 0x8769
_ORIGINAL, _ORIGINAL_OFFSET = 0x9003, 0x9011
_ASCII = 2
_MAX_ENTRIES = 256
_MAX_SEGMENTS = 32
_ENTRY = 12


def read(window: Window) -> tuple[str | None, str | None, datetime | None]:
    """Return (make, model, time of the picture as aware UTC) as far as the segment tells.

    The time is None unless the camera wrote its offset from UTC beside it.
    """
    body = _segment(window)
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None or len(body) < 8:  # noqa: PLR2004 (TIFF header)
        return None, None, None
    first = _entries(body, order, struct.unpack_from(f"{order}I", body, 4)[0])
    make, model = _ascii(body, order, first.get(_MAKE)), _ascii(body, order, first.get(_MODEL))
    pointer = first.get(_EXIF_IFD)
    inner = _entries(body, order, struct.unpack(f"{order}I", pointer[8:12])[0]) if pointer else {}
    return make, model, _time(*(_ascii(body, order, inner.get(tag)) for tag in (_ORIGINAL, _ORIGINAL_OFFSET)))


def _segment(window: Window) -> bytes:
    """Return the TIFF structure inside the first Exif segment, empty when there is none."""
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        head = window.at(offset, 10)
        if len(head) < 10 or head[0] != 0xFF or head[1] == 0xDA:  # noqa: PLR2004 (marker; scan starts)
            break
        length = int.from_bytes(head[2:4], "big")
        if head[1] == 0xE1 and head[4:10] == b"Exif\0\0":  # noqa: PLR2004 (APP1)
            return window.at(offset + 10, length - 8)
        offset += 2 + length
    return b""


def _entries(body: bytes, order: str, at: int) -> dict[int, bytes]:
    """Return the 12-byte entries of one directory by tag."""
    if at + 2 > len(body):
        return {}
    (count,) = struct.unpack_from(f"{order}H", body, at)
    found: dict[int, bytes] = {}
    for index in range(min(count, _MAX_ENTRIES)):
        entry = body[at + 2 + index * _ENTRY : at + 2 + (index + 1) * _ENTRY]
        if len(entry) < _ENTRY:
            break
        found[struct.unpack_from(f"{order}H", entry)[0]] = entry
    return found


def _ascii(body: bytes, order: str, entry: bytes | None) -> str | None:
    if entry is None:
        return None
    kind, count, offset = struct.unpack_from(f"{order}HII", entry, 2)
    if kind != _ASCII:
        return None
    data = entry[8 : 8 + count] if count <= 4 else body[offset : offset + min(count, 256)]  # noqa: PLR2004 (fits inside)
    return data.split(b"\0")[0].decode("utf-8", "replace").strip() or None


def _time(original: str | None, offset: str | None) -> datetime | None:
    if original is None or offset is None:
        return None
    try:
        return datetime.strptime(original + offset, "%Y:%m:%d %H:%M:%S%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
