"""Walk of ISO base media and QuickTime files (ISO/IEC 14496-12, QuickTime File Format).

The walk asks one question: does the structure name bytes that the file does not have? It runs over the top
level with a bounded count, then down fixed paths of known boxes, so nesting cannot make it recurse.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from metadata.media import tracks
from metadata.media.atoms import Box, BoxError, iterate
from metadata.media.condition import INTACT, Structure, truncated, unfinished, unknown
from metadata.media.window import Window

# 14496-12 4.2: a plain and a 64-bit header.
_PLAIN_HEADER = 8
# Where an index at the end of a file is looked for when the chain of boxes is broken.
_TAIL = 1024 * 1024
_STILL_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"})


@dataclass(slots=True)
class _Survey:
    """What lies on the top level."""

    brand: bytes = b""
    moov: Box | None = None
    meta: Box | None = None
    last_moof: Box | None = None
    moofs: int = 0
    data_bytes: int = 0
    open_ended: bool = False
    indexed_to: int = 0
    overrun: Box | None = None
    broken: BoxError | None = None


def walk(window: Window) -> Structure:
    """Return the structure of an ISO base media or QuickTime file.

    The steps, in this order:
    1. Every top-level box ends inside the file.
    2. The index (`moov`) is there when media data is; stills (HEIF) have `meta` instead.
    3. The segment index (`sidx`) points at nothing past the end.
    4. The last fragment's runs end inside the file.
    5. Every track's chunks end inside the file, and there is media data at all.

    Raises `BudgetError` for files built to be read for ever, and `OSError`.
    """
    seen = _survey(window)
    problem = _top_level(window, seen)  # 1 and 2
    if problem is not None:
        return problem
    if seen.moov is None:
        return INTACT
    if seen.indexed_to > window.size:  # 3
        return truncated(f"the segment index reaches byte {seen.indexed_to}, the file ends at {window.size}")
    try:
        facts = tracks.read(window, seen.moov)
        if seen.last_moof is not None:  # 4
            end = tracks.fragment_end(window, seen.last_moof, facts.defaults)
            if end > window.size:
                return truncated(
                    f"the last fragment needs data up to byte {end}, the file ends at {window.size}"
                )
    except BoxError as error:
        return unknown(str(error))
    return _media_data(seen, facts, window.size)  # 5


def _top_level(window: Window, seen: _Survey) -> Structure | None:  # noqa: PLR0911 (one a finding)
    """Judge steps 1 and 2; None means go on."""
    size = window.size
    still = seen.brand in _STILL_BRANDS and seen.moov is None
    if seen.overrun is not None:
        box = seen.overrun
        return truncated(
            f"box {_shown(box.kind)} at byte {box.start} ends at byte {box.end}, the file at {size}"
        )
    if seen.moov is None and not still:
        if seen.broken is not None and b"moov" in window.tail(_TAIL)[1]:
            return unknown(f"an index is there, but no chain of boxes leads to it: {seen.broken}")
        if seen.data_bytes or seen.open_ended or seen.moofs:
            return unfinished("there is media data but no index (moov)")
        if seen.broken is None:
            return truncated("there is neither an index (moov) nor media data (mdat)")
    if seen.broken is not None:
        return unknown(str(seen.broken))
    if still and seen.meta is None:
        return truncated("a still image without its description (meta)")
    return None


def _media_data(seen: _Survey, facts: tracks.Tracks, size: int) -> Structure:  # noqa: PLR0911 (as above)
    """Judge step 5."""
    if facts.furthest > size:
        return truncated(f"the index points at data up to byte {facts.furthest}, the file ends at {size}")
    if facts.compressed:
        return unknown("the index is compressed (cmov) and was not checked")
    if facts.samples and not seen.data_bytes:
        where = "keeps all of it in another file" if facts.external == facts.count else "holds none (no mdat)"
        return truncated(f"the index names media data, the file {where}")
    if not facts.samples and not seen.moofs:
        if facts.fragmented:
            return truncated("only the initialisation of a fragmented file: no fragment follows")
        return truncated("the index names no media data")
    if facts.undescribed:
        return unknown(f"{facts.undescribed} of {facts.count} tracks lack their sample description (stsd)")
    if facts.external:
        return unknown(f"{facts.external} of {facts.count} tracks keep their media data in another file")
    return INTACT


def _survey(window: Window) -> _Survey:
    """Look at every top-level box once."""
    seen = _Survey()
    for box in _boxes(window, seen):
        if box.kind == b"ftyp" and not seen.brand:
            seen.brand = window.at(box.body, 4)
        elif box.kind == b"moov" and seen.moov is None:
            seen.moov = box
        elif box.kind == b"meta":
            seen.meta = box
        elif box.kind == b"moof":
            seen.last_moof = box
            seen.moofs += 1
        elif box.kind == b"mdat":
            seen.data_bytes += min(box.end, window.size) - box.body
            seen.open_ended = seen.open_ended or box.to_end
        elif box.kind == b"sidx":
            seen.indexed_to = max(seen.indexed_to, tracks.segment_index_end(window, box))
        if box.end > window.size:
            seen.overrun = box
    return seen


def _boxes(window: Window, seen: _Survey) -> Iterator[Box]:
    """Yield the top-level boxes; what follows the last well-formed one is judged here.

    Zeros after the last box are preallocated space, and up to 7 bytes are too short to be a box: cameras
    leave both behind, and neither says that something is missing.
    """
    try:
        yield from iterate(window, 0, window.size)
    except BoxError as error:
        rest = window.at(error.offset, 64)
        padding = len(rest) < _PLAIN_HEADER or not any(rest)
        # No box after index *and* data: somebody appended something. The chunk offsets will tell.
        appended = seen.moov is not None and seen.data_bytes > 0 and not error.plausible
        if not padding and not appended:
            seen.broken = error


def _shown(kind: bytes) -> str:
    """Return a box type as readable text."""
    return kind.decode("latin-1") if kind.isalnum() else kind.hex()
