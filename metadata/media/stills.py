"""Walk of still images: JPEG (ITU-T T.81) up to its end marker, PNG (ISO/IEC 15948) up to IEND."""

import re

from metadata.media.condition import INTACT, Structure, truncated, unknown
from metadata.media.window import Window

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_MAX_SEGMENTS = 10_000
_SCAN = 4 * 1024 * 1024
# In entropy-coded data FF is followed by a stuffed 00 or a restart marker; anything else ends the scan.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
_PNG_HEADER = 8


def walk_jpeg(window: Window) -> Structure:
    """Return the structure of a JPEG file: every segment inside the file, and an end marker after the scans.

    What follows the end marker (further pictures, appended video) is not looked at.
    """
    offset = 2
    scanned = False
    for _ in range(_MAX_SEGMENTS):
        head = window.at(offset, 4)
        if len(head) < 2:  # noqa: PLR2004 (a marker is two bytes)
            return truncated("the end marker (EOI) is missing")
        if head[0] != 0xFF:  # noqa: PLR2004 (every marker starts with FF)
            return unknown(f"no marker at byte {offset}")
        marker = head[1]
        if marker == _EOI:
            return INTACT if scanned else truncated("the file holds no picture data")
        if marker == 0xFF:  # noqa: PLR2004 (fill byte)
            offset += 1
            continue
        if marker in _STANDALONE:
            offset += 2
            continue
        length = int.from_bytes(head[2:4], "big")
        offset += 2 + length
        if length < 2 or offset > window.size:  # noqa: PLR2004 (the length counts itself)
            return truncated(f"segment {marker:02x} ends at byte {offset}, the file at {window.size}")
        if marker == _SOS:
            scanned = True
            offset = _after_scan(window, offset)
    return unknown(f"more than {_MAX_SEGMENTS} segments")


def _after_scan(window: Window, offset: int) -> int:
    """Return the offset of the first marker after entropy-coded data, or the end of the file."""
    while offset < window.size - 1:
        data = window.at(offset, _SCAN)
        match = _MARKER.search(data)
        if match is not None:
            return offset + match.start()
        offset += len(data) - 1  # the last byte may be the FF of a marker
    return window.size


def walk_png(window: Window) -> Structure:
    """Return the structure of a PNG file: a chain of chunks that ends with IEND."""
    offset = 8
    for _ in range(_MAX_SEGMENTS):
        head = window.at(offset, _PNG_HEADER)
        if len(head) < _PNG_HEADER:
            return truncated("the last chunk (IEND) is missing")
        end = offset + _PNG_HEADER + int.from_bytes(head[:4], "big") + 4
        if end > window.size:
            return truncated(f"chunk {head[4:8]!r} ends at byte {end}, the file at {window.size}")
        if head[4:8] == b"IEND":
            return INTACT
        offset = end
    return unknown(f"more than {_MAX_SEGMENTS} chunks")
