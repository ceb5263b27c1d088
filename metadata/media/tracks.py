"""What the index of an ISO base media file claims: chunks, samples, fragments (ISO/IEC 14496-12, 8)."""

import struct
import sys
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from metadata.media.atoms import Box, child, children
from metadata.media.window import Window

# A table of 16 Mi entries is a recording of days; larger ones are an attack, and are cut here.
_MAX_TABLE = 64 * 1024 * 1024
_MAX_TRACKS = 64

# Flags of tfhd and trun, 14496-12 8.8.7 and 8.8.8.
_BASE_OFFSET = 0x1
_DESCRIPTION = 0x2
_DEFAULT_DURATION = 0x8
_DEFAULT_SIZE = 0x10
_BASE_IS_MOOF = 0x20000
_RUN_OFFSET = 0x1
_RUN_FIRST_FLAGS = 0x4
_RUN_FIELDS = (0x100, 0x200, 0x400, 0x800)
_RUN_SIZE = 0x200


@dataclass(slots=True)
class Tracks:
    """The claims of one `moov`: `furthest` is the byte after the last one that any chunk needs."""

    count: int = 0
    samples: int = 0
    furthest: int = 0
    external: int = 0
    undescribed: int = 0
    compressed: bool = False
    fragmented: bool = False
    defaults: dict[int, int] = field(default_factory=dict)


def read(window: Window, moov: Box) -> Tracks:
    """Return what the index claims. Raises `BoxError` when the boxes inside do not fit into each other."""
    facts = Tracks()
    for box in children(window, moov):
        if box.kind == b"cmov":
            facts.compressed = True
        elif box.kind == b"mvex":
            facts.fragmented = True
            facts.defaults.update(_track_defaults(window, box))
        elif box.kind == b"trak" and facts.count < _MAX_TRACKS:
            facts.count += 1
            _track(window, box, facts)
    return facts


def _track(window: Window, trak: Box, facts: Tracks) -> None:
    mdia = child(window, trak, b"mdia")
    minf = child(window, mdia, b"minf") if mdia else None
    table = child(window, minf, b"stbl") if minf else None
    if minf is None or table is None:
        return
    boxes = {box.kind: box for box in children(window, table)}
    if b"stsd" not in boxes:
        facts.undescribed += 1  # mandatory, 14496-12 8.5.2: without it nobody can tell what the samples are
    sizes = _sample_sizes(window, boxes)
    facts.samples += sizes.count
    if not _self_contained(window, minf):
        facts.external += 1
        return
    chunks = _chunk_offsets(window, boxes)
    if not chunks or not sizes.count:
        return
    furthest = max(chunks)
    facts.furthest = max(facts.furthest, furthest + 1)
    # Chunks are written in order: only when the last one is also the furthest can its length be told cheaply.
    if furthest == chunks[-1]:
        facts.furthest = max(facts.furthest, furthest + _last_chunk_bytes(window, boxes, sizes, len(chunks)))


def _self_contained(window: Window, minf: Box) -> bool:
    """Return whether the track's data lies in this file (dref entries with flag 1, 14496-12 8.7.2)."""
    dinf = child(window, minf, b"dinf")
    dref = child(window, dinf, b"dref") if dinf else None
    if dref is None:
        return True
    head = window.at(dref.body + 8, 12)
    return len(head) < 12 or bool(head[11] & 1)  # noqa: PLR2004 (entry header and flags)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Sample sizes: one for all (`uniform`), or a table of 32-bit values."""

    count: int
    uniform: int
    table: "array[int]"

    def last(self, samples: int) -> int:
        """Return the bytes of the last `samples` samples."""
        if self.uniform:
            return samples * self.uniform
        return sum(self.table[-samples:]) if samples else 0


def _sample_sizes(window: Window, boxes: Mapping[bytes, Box]) -> _Sizes:
    box = boxes.get(b"stsz")
    if box is not None:
        head = window.at(box.body, 12)
        if len(head) == 12:  # noqa: PLR2004 (version, flags, size, count)
            uniform, count = struct.unpack_from(">II", head, 4)
            table = array("I") if uniform else _table(window, box, box.body + 12, "I", count)
            return _Sizes(count, uniform, table)
    compact = boxes.get(b"stz2")
    if compact is not None:
        count = int.from_bytes(window.at(compact.body + 8, 4), "big")
        return _Sizes(count, 1, array("I"))  # a lower bound: at least one byte a sample
    return _Sizes(0, 0, array("I"))


def _chunk_offsets(window: Window, boxes: Mapping[bytes, Box]) -> "array[int]":
    for kind, code in ((b"stco", "I"), (b"co64", "Q")):
        box = boxes.get(kind)
        if box is not None:
            count = int.from_bytes(window.at(box.body + 4, 4), "big")
            return _table(window, box, box.body + 8, code, count)
    return array("Q")


def _last_chunk_bytes(window: Window, boxes: Mapping[bytes, Box], sizes: _Sizes, chunks: int) -> int:
    """Return the length of the last chunk, from the sample-to-chunk table (14496-12 8.7.4)."""
    box = boxes.get(b"stsc")
    if box is None:
        return 1
    count = int.from_bytes(window.at(box.body + 4, 4), "big")
    runs = _table(window, box, box.body + 8, "I", count * 3)
    before, per_chunk = 0, 0
    for index in range(0, len(runs) - 2, 3):
        first, per_chunk = runs[index], runs[index + 1]
        following = runs[index + 3] if index + 3 < len(runs) else chunks
        before += max(0, min(following, chunks) - first) * per_chunk
    # Tables may disagree; the shorter claim is the one that cannot accuse a whole file.
    return sizes.last(max(0, min(per_chunk, sizes.count - before)))


def _table(window: Window, box: Box, start: int, code: str, count: int) -> "array[int]":
    """Return a big-endian table, as far as the box, the file and `_MAX_TABLE` reach."""
    values: array[int] = array(code)
    room = max(0, min(box.end, window.size) - start)
    data = window.at(start, min(count * values.itemsize, room, _MAX_TABLE))
    values.frombytes(data[: len(data) - len(data) % values.itemsize])
    if sys.byteorder == "little":
        values.byteswap()
    return values


def segment_index_end(window: Window, sidx: Box) -> int:
    """Return the byte after the last one that a segment index refers to (14496-12 8.16.3)."""
    head = window.at(sidx.body, 32)
    if len(head) < 32:  # noqa: PLR2004 (the longer of the two layouts)
        head = head.ljust(32, b"\0")
    long = head[0] != 0
    first = struct.unpack_from(">Q", head, 20)[0] if long else struct.unpack_from(">I", head, 16)[0]
    at = sidx.body + (28 if long else 20)
    count = int.from_bytes(window.at(at + 2, 2), "big")
    entries = _table(window, sidx, at + 4, "I", count * 3)
    return int(sidx.end + first + sum(entry & 0x7FFFFFFF for entry in entries[::3]))


def _track_defaults(window: Window, mvex: Box) -> Iterator[tuple[int, int]]:
    """Yield (track id, default sample size) of each `trex` (14496-12 8.8.3)."""
    for box in children(window, mvex):
        body = window.at(box.body, 24)
        if box.kind == b"trex" and len(body) == 24:  # noqa: PLR2004 (its fixed length)
            yield int.from_bytes(body[4:8], "big"), int.from_bytes(body[16:20], "big")


def fragment_end(window: Window, moof: Box, defaults: Mapping[int, int]) -> int:
    """Return the byte after the last one that the runs of one fragment need (14496-12 8.8.4 to 8.8.8)."""
    furthest = 0
    for number, traf in enumerate(box for box in children(window, moof) if box.kind == b"traf"):
        header = child(window, traf, b"tfhd")
        if header is None:
            continue
        base, size = _fragment_header(window.at(header.body, 40), moof, defaults)
        if base is None:
            if number:
                break  # from here on data follows the track before it: too weak a claim to accuse a file
            base = moof.start
        position = base
        for run in (box for box in children(window, traf) if box.kind == b"trun"):
            position = _run_end(window, run, base=base, position=position, default_size=size)
            furthest = max(furthest, position)
    return furthest


def _fragment_header(body: bytes, moof: Box, defaults: Mapping[int, int]) -> tuple[int | None, int]:
    """Return the base offset (None when it is implied) and the default sample size of a `tfhd`."""
    body = body.ljust(40, b"\0")
    flags, track = struct.unpack_from(">II", body)
    flags &= 0xFFFFFF
    at = 8
    base = moof.start if flags & _BASE_IS_MOOF else None
    if flags & _BASE_OFFSET:
        (base,) = struct.unpack_from(">Q", body, at)
        at += 8
    at += 4 * (bool(flags & _DESCRIPTION) + bool(flags & _DEFAULT_DURATION))
    size = struct.unpack_from(">I", body, at)[0] if flags & _DEFAULT_SIZE else defaults.get(track, 0)
    return base, size


def _run_end(window: Window, run: Box, *, base: int, position: int, default_size: int) -> int:
    """Return where the data of a `trun` ends; it starts at `position` unless it carries its own offset."""
    flags, count, offset = struct.unpack(">IIi", window.at(run.body, 12).ljust(12, b"\0"))
    flags &= 0xFFFFFF
    at = run.body + 8
    if flags & _RUN_OFFSET:
        position = base + offset
        at += 4
    if flags & _RUN_FIRST_FLAGS:
        at += 4
    present = [bit for bit in _RUN_FIELDS if flags & bit]
    if _RUN_SIZE not in present:
        return position + int(count) * default_size
    fields = _table(window, run, at, "I", count * len(present))
    sizes = fields[present.index(_RUN_SIZE) :: len(present)]
    return position + sum(sizes)
