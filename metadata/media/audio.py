"""Ends of framed audio: MPEG audio layers (ISO/IEC 11172-3, 13818-3) and ADTS AAC (ISO/IEC 14496-3)."""

from collections.abc import Callable

from metadata.media.condition import INTACT, Structure, truncated, unknown
from metadata.media.window import Window

_TAIL = 128 * 1024
_CHAIN = 3
_LAYER_3_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LAYER_2_V1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_1_V1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_LAYER_23_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LAYER_1_V2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_RATES = (44100, 48000, 32000)
_ID3_HEADER = 10
_TRAILERS = (b"TAG", b"APETAGEX", b"LYRICS", b"ID3", b"3DI")


def mpeg_frame(head: bytes) -> int:
    """Return the length in bytes of the MPEG audio frame that these 4 bytes start, 0 for none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:  # noqa: PLR2004 (reserved values)
        return 0
    hertz = _RATES[rate] >> (0 if version == 3 else 1 if version == 2 else 2)  # noqa: PLR2004
    first = version == 3  # noqa: PLR2004 (MPEG-1)
    if layer == 1:
        return (12_000 * (_LAYER_1_V1 if first else _LAYER_1_V2)[bitrate] // hertz + padding) * 4
    table = (_LAYER_2_V1 if layer == 2 else _LAYER_3_V1) if first else _LAYER_23_V2  # noqa: PLR2004
    return (144_000 if first or layer == 2 else 72_000) * table[bitrate] // hertz + padding  # noqa: PLR2004


def adts_frame(head: bytes) -> int:
    """Return the length in bytes of the ADTS frame that these 7 bytes start, 0 for none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or (head[2] >> 2 & 15) > 12:  # noqa: PLR2004
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length >= 7 else 0  # noqa: PLR2004 (it counts its header)


def chained(data: bytes, at: int, frame: Callable[[bytes], int]) -> bool:
    """Return whether `_CHAIN` frames follow each other from `at`, or fewer up to the end of the data."""
    for seen in range(_CHAIN):
        length = frame(data[at : at + 7])
        if not length:
            return seen > 0 and at >= len(data)
        at += length
    return True


def id3_length(head: bytes) -> int:
    """Return the length of an ID3v2 tag at the start of a file, 0 for none (sizes are 4 x 7 bits)."""
    if len(head) < _ID3_HEADER or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + _ID3_HEADER * (2 if head[5] & 0x10 else 1)


def walk_mp3(window: Window) -> Structure:
    """Return the structure of an MP3 file.

    The steps, in this order:
    1. The tag at the front ends inside the file, and a frame follows.
    2. The length that the encoder noted (Xing or Info header) is not more than the file has.
    3. The last frames end exactly where the file, or a tag at its end, begins to end.
    """
    tag = id3_length(window.at(0, _ID3_HEADER))
    if tag >= window.size:
        return truncated(f"the tag ends at byte {tag}, the file at {window.size}")  # 1
    promised = _noted_length(window.at(tag, 256))
    if promised and tag + promised > window.size:  # 2
        return truncated(f"the encoder noted {promised} bytes of sound, the file has {window.size - tag}")
    return _last_frames(window, tag, mpeg_frame)  # 3


def walk_adts(window: Window) -> Structure:
    """Return the structure of an ADTS AAC file: the last frames end where the file ends."""
    return _last_frames(window, id3_length(window.at(0, _ID3_HEADER)), adts_frame)


def _noted_length(first: bytes) -> int:
    """Return the byte count of a Xing or Info header inside the first frame, 0 for none."""
    for name in (b"Xing", b"Info"):
        at = first.find(name, 4, 64)
        if at < 0:
            continue
        flags = int.from_bytes(first[at + 4 : at + 8], "big")
        if flags & 2:
            start = at + (12 if flags & 1 else 8)
            return int.from_bytes(first[start : start + 4], "big")
    return 0


def _last_frames(window: Window, front: int, frame: Callable[[bytes], int]) -> Structure:
    start = max(front, window.size - _TAIL)
    data = window.at(start, window.size - start)
    at = next((place for place in range(len(data)) if chained(data, place, frame)), -1)
    if at < 0:
        return unknown("no chain of frames near the end")
    while at < len(data):
        length = frame(data[at : at + 7])
        if not length:
            rest = data[at:]
            if rest.startswith(_TRAILERS) or not any(rest):
                return INTACT
            return unknown(f"no frame at byte {start + at}")
        at += length
    if at > len(data):
        return truncated(f"the last frame ends at byte {start + at}, the file at {window.size}")
    return INTACT
