"""Ends of packet streams: MPEG-2 transport and program streams (ISO/IEC 13818-1) and FLV.

None of them states its length at the front. What can be told is whether the last packets are whole.
"""

from metadata.media.condition import INTACT, Structure, truncated, unknown
from metadata.media.window import Window

_SYNC = 0x47
_TS_PACKET = 188
_TAIL = 2 * 1024 * 1024
_PACK, _END = 0xBA, 0xB9
_FLV_HEADER = 9
_FLV_TAG = 11


def stride_of(head: bytes) -> tuple[int, int] | None:
    """Return (packet length, offset of the sync byte) of a transport stream: 188, 192 (M2TS) or 204 bytes.

    None when the bytes are none: four sync bytes in a row are asked for, or all that a short file has.
    """
    for length, lead in ((_TS_PACKET, 0), (192, 4), (204, 0)):
        places = range(lead, min(len(head), lead + 4 * length), length)
        if len(places) > 1 and all(head[place] == _SYNC for place in places):
            return length, lead
    return None


def walk_ts(window: Window) -> Structure:
    """Return the structure of a transport stream.

    The steps, in this order:
    1. The file ends between two packets, and the last packets are in step.
    2. The last PES packet of every stream that states its length (audio, as a rule) is complete.
    """
    stride = stride_of(window.at(0, 1024))
    if stride is None:
        return unknown("the packets are out of step")
    length, lead = stride
    if window.size % length:  # 1
        return truncated(f"the file ends {window.size % length} bytes into a packet of {length}")
    start = max(0, window.size - _TAIL) // length * length
    data = window.at(start, window.size - start)
    missing: dict[int, int] = {}
    for place in range(lead, len(data), length):
        packet = data[place : place + _TS_PACKET]
        if packet[0] != _SYNC:
            return unknown(f"no packet at byte {start + place}")
        _count_pes(packet, missing)
    short = {pid: count for pid, count in missing.items() if count > 0}
    if short:  # 2
        pid, count = next(iter(sorted(short.items())))
        return truncated(f"the last packet of stream {pid:#x} lacks {count} bytes")
    return INTACT


def _count_pes(packet: bytes, missing: dict[int, int]) -> None:
    """Keep, per packet id, how many bytes of the PES packet under way are still to come (0: not stated)."""
    control = packet[3] >> 4 & 3
    if not control & 1 or packet[3] >> 6:  # no payload, or scrambled
        return
    payload = packet[4 + (1 + packet[4] if control == 3 else 0) :]  # noqa: PLR2004 (both fields present)
    pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
    if packet[1] & 0x40:
        missing.pop(pid, None)
        if payload[:3] == b"\0\0\1" and len(payload) >= 6:  # noqa: PLR2004 (PES header)
            stated = int.from_bytes(payload[4:6], "big")
            if stated:
                missing[pid] = stated + 6 - len(payload)
    elif pid in missing:
        missing[pid] -= len(payload)


def walk_ps(window: Window) -> Structure:
    """Return the structure of a program stream: packets after the last pack header reach the end exactly."""
    start, data = window.tail(_TAIL)
    at = data.rfind(b"\0\0\1\xba")
    if at < 0:
        return unknown("no pack header near the end")
    while at < len(data):
        if data[at : at + 3] != b"\0\0\1":
            rest = data[at:]
            if not any(rest):
                return INTACT  # zero padding
            return truncated(f"no packet at byte {start + at}")
        code = data[at + 3] if at + 3 < len(data) else -1
        if code == _END:
            at += 4
        elif code == _PACK:
            at += _pack_length(data[at : at + 14])
        else:
            at += 6 + int.from_bytes(data[at + 4 : at + 6], "big")
    if at > len(data):
        return truncated(f"the last packet ends at byte {start + at}, the file at {window.size}")
    return INTACT


def _pack_length(head: bytes) -> int:
    """Return the length of a pack header: 12 bytes in MPEG-1, 14 and stuffing in MPEG-2."""
    if len(head) < 14:  # noqa: PLR2004
        return 14
    return 14 + (head[13] & 7) if head[4] >> 6 == 1 else 12


def walk_flv(window: Window) -> Structure:
    """Return the structure of an FLV file: the last 4 bytes lead back to a whole tag (FLV 10.1, E.3)."""
    if window.size <= _FLV_HEADER + 4:
        return truncated("the file holds no tag")
    back = int.from_bytes(window.at(window.size - 4, 4), "big")
    tag = window.at(window.size - 4 - back, _FLV_TAG)
    if back >= _FLV_TAG and len(tag) == _FLV_TAG and int.from_bytes(tag[1:4], "big") + _FLV_TAG == back:
        return INTACT
    return truncated("the file does not end with a whole tag")
