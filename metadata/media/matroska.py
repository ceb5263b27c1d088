"""Walk of Matroska and WebM files (RFC 9559 on EBML, RFC 8794): the segment and its first level."""

from metadata.media.condition import INTACT, Structure, truncated, unfinished, unknown
from metadata.media.window import Window

_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_MAX_ELEMENTS = 200_000


def walk(window: Window) -> Structure:  # noqa: PLR0911 (one a finding)
    """Return the structure of a Matroska file.

    The steps, in this order:
    1. The segment has a length: recorders write it when they close the file.
    2. The segment and every element of its first level end inside the file.
    3. There is at least one cluster of media data.
    """
    header = _element(window, 0)
    segment = _element(window, header[2]) if header and header[2] is not None else None
    if segment is None or segment[0] != _SEGMENT or segment[2] is None:
        if segment is not None and segment[0] == _SEGMENT:
            return unfinished("the segment has no length: the file was never closed")  # 1
        return truncated("the file ends before its segment")
    if segment[2] > window.size:  # 2
        return truncated(f"the segment ends at byte {segment[2]}, the file at {window.size}")
    offset, clusters = segment[1], 0
    for _ in range(_MAX_ELEMENTS):
        if offset >= segment[2]:
            return INTACT if clusters else truncated("the segment holds no media data")  # 3
        element = _element(window, offset)
        if element is None:
            return unknown(f"no element at byte {offset}")
        clusters += element[0] == _CLUSTER
        if element[2] is None:
            return unknown(f"the element at byte {offset} has no length")
        if element[2] > segment[2]:
            return unknown(f"the element at byte {offset} runs past its segment")
        offset = element[2]
    return unknown(f"more than {_MAX_ELEMENTS} elements")


def _element(window: Window, offset: int) -> tuple[int, int, int | None] | None:
    """Return (id, offset of the body, end or None when not stated) of an EBML element, None for none."""
    head = window.at(offset, 12)
    if not head or not head[0]:
        return None
    id_length = 9 - head[0].bit_length()
    if id_length > 4 or len(head) <= id_length or not head[id_length]:  # noqa: PLR2004 (ids have 1 to 4 bytes)
        return None
    size_length = 9 - head[id_length].bit_length()
    raw = head[id_length : id_length + size_length]
    if len(raw) < size_length:
        return None
    mask = (1 << 7 * size_length) - 1
    size = int.from_bytes(raw, "big") & mask
    body = offset + id_length + size_length
    return int.from_bytes(head[:id_length], "big"), body, None if size == mask else body + size
