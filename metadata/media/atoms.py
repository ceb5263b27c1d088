"""The box itself: one header of ISO/IEC 14496-12 section 4.2, and iteration over neighbours."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from metadata.media.window import Window

_PLAIN = 8
_LARGE = 16
# A fragmented recording of a day with one fragment a second has 4 boxes a second on the top level.
MAX_BOXES = 400_000


class BoxError(Exception):
    """The bytes at `offset` are no box. `plausible` tells whether the type at least looks like one."""

    def __init__(self, problem: str, *, offset: int, plausible: bool) -> None:
        super().__init__(problem)
        self.offset = offset
        self.plausible = plausible


@dataclass(frozen=True, slots=True)
class Box:
    """One box: `start` of its header, `body` after it, `end`, all byte offsets in the file.

    `end` may lie past the end of the file: that is for the caller to judge. `to_end` marks size 0.
    """

    kind: bytes
    start: int
    body: int
    end: int
    to_end: bool = False


def iterate(window: Window, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two offsets, in order.

    A box that runs past `end` is yielded last, with the end it claims. Raises `BoxError` for a header that
    cannot be one and for more than `MAX_BOXES` boxes.
    """
    offset = start
    for _ in range(MAX_BOXES):
        if offset >= end:
            return
        box = _header(window, offset, end)
        yield box
        offset = box.end
    raise BoxError(f"more than {MAX_BOXES} boxes", offset=offset, plausible=True)


def _header(window: Window, offset: int, end: int) -> Box:
    head = window.at(offset, min(_LARGE, end - offset))
    kind = head[4:8]
    plausible = len(kind) == 4 and looks_like_type(kind)  # noqa: PLR2004 (four bytes a type)
    if len(head) < _PLAIN:
        raise BoxError(f"{len(head)} stray bytes at byte {offset}", offset=offset, plausible=False)
    if not plausible:
        raise BoxError(f"no box at byte {offset}: its type is {kind.hex()}", offset=offset, plausible=False)
    size = int.from_bytes(head[:4], "big")
    if size == 0:
        return Box(kind, offset, offset + _PLAIN, end, to_end=True)
    header = _PLAIN
    if size == 1:
        header = _LARGE
        if len(head) < _LARGE:
            raise BoxError(f"the header at byte {offset} is cut off", offset=offset, plausible=True)
        (size,) = struct.unpack_from(">Q", head, 8)
    if size < header:
        raise BoxError(
            f"the box at byte {offset} has the impossible size {size}", offset=offset, plausible=True
        )
    return Box(kind, offset, offset + header, offset + size)


def looks_like_type(kind: bytes) -> bool:
    """Return whether four bytes could be a box type: printable ASCII, or ``©`` as QuickTime uses it."""
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)  # noqa: PLR2004 (ASCII; 0xA9 is ©)


def children(window: Window, parent: Box) -> Iterator[Box]:
    """Yield the boxes inside of `parent`; raises `BoxError` when one runs past it.

    A few zero bytes at the end (QuickTime closes user data with a 32-bit zero) are not an error.
    """
    limit = min(parent.end, window.size)
    offset = parent.body
    while limit - offset >= _PLAIN:
        head = window.at(offset, _PLAIN)
        if not any(head):
            return
        box = _header(window, offset, limit)
        if box.end > limit:
            problem = f"box {box.kind!r} at byte {offset} runs past the box that holds it"
            raise BoxError(problem, offset=offset, plausible=True)
        yield box
        offset = box.end


def child(window: Window, parent: Box, kind: bytes) -> Box | None:
    """Return the first box of that type inside of `parent`."""
    return next((box for box in children(window, parent) if box.kind == kind), None)
