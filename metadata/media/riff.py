"""Walk of RIFF files: AVI with its OpenDML parts, WAV, and the 64-bit forms RF64 and BW64 (EBU Tech 3306)."""

from collections.abc import Iterator
from dataclasses import dataclass

from metadata.media.condition import INTACT, Structure, truncated, unfinished
from metadata.media.window import Window

_HEADER = 8
_LIST = 12
_MAX_CHUNKS = 10_000
# Written by recorders that do not know the length yet, and by RF64 for "see ds64".
_UNKNOWN_SIZE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One chunk: its four-character code (a list shows its own type), body and claimed end in bytes."""

    kind: bytes
    start: int
    body: int
    end: int
    size: int


def walk(window: Window) -> Structure:
    """Return the structure of an AVI or WAV file.

    The steps, in this order:
    1. The lengths of the file header and of the media chunk were written at the end of the recording.
    2. Every chunk of the first level ends inside the file.
    3. There is media data.

    A missing pad byte at the very end is forgiven. Raises `BudgetError` and `OSError`.
    """
    head = window.at(0, _LIST)
    if len(head) < _LIST:
        return truncated(f"the file ends inside its header, at byte {window.size}")
    media = b"movi" if head[8:12] == b"AVI " else b"data"
    long = head[:4] in (b"RF64", b"BW64")
    declared = int.from_bytes(head[4:8], "little")
    found: _Chunk | None = None
    pad = 0
    for chunk in _chunks(window, long=long):
        pad = chunk.size & 1
        if chunk.kind == media and found is None:
            found = chunk
            if _never_closed(window, chunk, declared=declared, long=long):  # 1
                return unfinished("the recorder never wrote the final lengths")
        if chunk.end > window.size + pad:  # 2
            what = chunk.kind.decode("latin-1").strip() if chunk.kind.isascii() else chunk.kind.hex()
            return truncated(f"chunk {what} ends at byte {chunk.end}, the file at {window.size}")
    if found is None or found.size <= (4 if media == b"movi" else 0):  # 3
        return truncated("the file holds no media data")
    if not long and declared + _HEADER > window.size + pad:
        return truncated(f"the header promises {declared + _HEADER} bytes, the file has {window.size}")
    return INTACT


def _never_closed(window: Window, chunk: _Chunk, *, declared: int, long: bool) -> bool:
    if chunk.size == _UNKNOWN_SIZE or (declared in (0, _UNKNOWN_SIZE) and not long):
        return True
    # A closed recording without any sample ends here; an unclosed one has its samples behind a zero length.
    empty = 4 if chunk.kind == b"movi" else 0
    return chunk.size <= empty and window.size > chunk.end + _HEADER and declared + _HEADER < window.size


def _chunks(window: Window, *, long: bool) -> Iterator[_Chunk]:
    """Yield the chunks of the first level of every RIFF part (OpenDML chains several ``AVIX`` parts)."""
    offset = _LIST
    data_size = 0
    for _ in range(_MAX_CHUNKS):
        head = window.at(offset, _LIST)
        if len(head) < _HEADER or not any(head):
            return  # fewer bytes than a header, or preallocated zeros
        kind, size = head[:4], int.from_bytes(head[4:8], "little")
        if kind == b"ds64":
            data_size = int.from_bytes(window.at(offset + 16, 8), "little")
        if kind == b"data" and long and size == _UNKNOWN_SIZE:
            size = data_size
        if kind == b"RIFF":
            # The next part: its chunks follow as neighbours; its own length is judged through theirs.
            offset += _LIST
            continue
        if not all(0x20 <= byte < 0x7F for byte in kind):  # noqa: PLR2004 (printable ASCII)
            return  # appended bytes, not a chunk
        name = head[8:12] if kind == b"LIST" and len(head) == _LIST else kind
        end = offset + _HEADER + size
        yield _Chunk(name, offset, offset + _HEADER, end, size)
        offset = end + (size & 1)
