import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metadata.media import atoms, boxes, window
from metadata.media.condition import INTACT, Condition, Structure

Walk = Callable[[bytes], Structure | None]
FTYP = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def track(chunk: int, *, wide: bool = False, size: int = 10, count: int = 2) -> bytes:
    offsets = (
        box(b"co64", struct.pack(">IIQ", 0, 1, chunk))
        if wide
        else box(b"stco", struct.pack(">III", 0, 1, chunk))
    )
    table = box(
        b"stbl",
        box(b"stsd", bytes(8)),
        box(b"stsz", struct.pack(">III", 0, size, count)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        offsets,
    )
    return box(b"trak", box(b"mdia", box(b"minf", table)))


def condition(found: Structure | None) -> Condition:
    assert found is not None
    return found.condition


def test_samples_that_end_with_the_file_are_intact_and_one_byte_less_is_not(walk: Walk) -> None:
    moov = box(b"moov", track(0))
    data = box(b"mdat", bytes(20))
    start = len(FTYP) + len(moov) + 8
    assert walk(FTYP + box(b"moov", track(start)) + data) == INTACT
    assert condition(walk(FTYP + box(b"moov", track(start + 1)) + data)) is Condition.TRUNCATED
    assert condition(walk((FTYP + box(b"moov", track(start)) + data)[:-1])) is Condition.TRUNCATED


def test_64_bit_sizes_and_offsets(walk: Walk) -> None:
    moov = box(b"moov", track(0, wide=True))
    data = struct.pack(">I4sQ", 1, b"mdat", 16 + 20) + bytes(20)
    start = len(FTYP) + len(moov) + 16
    assert walk(FTYP + box(b"moov", track(start, wide=True)) + data) == INTACT
    huge = struct.pack(">I4sQ", 1, b"mdat", 2**63) + bytes(20)
    assert condition(walk(FTYP + moov + huge)) is Condition.TRUNCATED
    far = FTYP + box(b"moov", track(2**63, wide=True)) + data
    assert condition(walk(far)) is Condition.TRUNCATED


def test_size_zero_reaches_to_the_end(walk: Walk) -> None:
    start = len(FTYP) + len(box(b"moov", track(0))) + 8
    open_ended = struct.pack(">I4s", 0, b"mdat") + bytes(20)
    assert walk(FTYP + box(b"moov", track(start)) + open_ended) == INTACT
    assert condition(walk(FTYP + open_ended)) is Condition.UNFINISHED


@pytest.mark.parametrize("size", [1, 2, 7])
def test_impossible_sizes_end_the_walk(walk: Walk, size: int) -> None:
    data = FTYP + struct.pack(">I4s", size, b"mdat") + bytes(4)
    assert condition(walk(data)) in (Condition.UNKNOWN, Condition.TRUNCATED)


def test_media_data_without_index_was_never_finished(walk: Walk) -> None:
    assert condition(walk(FTYP + box(b"mdat", bytes(100)))) is Condition.UNFINISHED
    assert condition(walk(FTYP + box(b"mdat", bytes(100)) + bytes(64))) is Condition.UNFINISHED
    assert condition(walk(FTYP + box(b"mdat", bytes(100))[:-1])) is Condition.TRUNCATED


def test_neither_index_nor_data_is_truncated(walk: Walk) -> None:
    assert condition(walk(FTYP)) is Condition.TRUNCATED
    assert condition(walk(FTYP + box(b"free", bytes(8)))) is Condition.TRUNCATED


def test_an_index_without_media_data_is_truncated(walk: Walk) -> None:
    assert condition(walk(FTYP + box(b"moov", track(4)))) is Condition.TRUNCATED
    assert condition(walk(FTYP + box(b"moov", track(0, count=0)) + box(b"mdat"))) is Condition.TRUNCATED
    assert condition(walk(FTYP + box(b"moov", box(b"mvex")))) is Condition.TRUNCATED


def test_padding_and_appended_bytes_accuse_nobody(walk: Walk) -> None:
    start = len(FTYP) + len(box(b"moov", track(0))) + 8
    whole = FTYP + box(b"moov", track(start)) + box(b"mdat", bytes(20))
    for tail in (bytes(7), bytes(4096), b"\0\1\2", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8 appended"):
        assert walk(whole + tail) == INTACT


def test_a_box_that_leaves_its_parent_is_told(walk: Walk) -> None:
    broken = struct.pack(">I4s", 4096, b"trak") + bytes(8)
    assert condition(walk(FTYP + box(b"moov", broken) + box(b"mdat", bytes(20)))) is Condition.UNKNOWN


def test_a_track_without_description_is_not_intact(walk: Walk) -> None:
    start = len(FTYP) + len(box(b"moov", track(0))) + 8
    data = FTYP + box(b"moov", track(start).replace(b"stsd", b"dsts")) + box(b"mdat", bytes(20))
    assert condition(walk(data)) is Condition.UNKNOWN


def test_media_data_in_another_file_is_not_here(walk: Walk) -> None:
    reference = box(
        b"dinf", box(b"dref", struct.pack(">IIII4sI", 0, 1, 12, 0, b"alis", 0)[:8] + box(b"alis", bytes(4)))
    )
    table = box(b"stbl", box(b"stsd", bytes(8)), box(b"stsz", struct.pack(">III", 0, 10, 2)))
    moov = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", reference, table))))
    assert condition(walk(FTYP + moov)) is Condition.TRUNCATED
    assert condition(walk(FTYP + moov + box(b"mdat", bytes(4)))) is Condition.UNKNOWN


def test_stills_need_their_description(walk: Walk) -> None:
    heic = FTYP.replace(b"isom", b"heic")
    assert walk(heic + box(b"meta", bytes(8)) + box(b"mdat", bytes(8))) == INTACT
    assert condition(walk(heic + box(b"mdat", bytes(8)))) is Condition.TRUNCATED
    assert condition(walk(heic + box(b"meta", bytes(8)) + box(b"mdat", bytes(8))[:-2])) is Condition.TRUNCATED


def test_a_segment_index_past_the_end_is_truncated(walk: Walk) -> None:
    start = len(FTYP) + len(box(b"moov", track(0))) + 8
    whole = FTYP + box(b"moov", track(start)) + box(b"mdat", bytes(20))
    for version, first in ((0, ">II"), (1, ">QQ")):
        head = struct.pack(">III", version << 24, 1, 1000) + struct.pack(first, 0, 0)
        for reach, expected in ((0, Condition.INTACT), (100, Condition.TRUNCATED)):
            sidx = box(b"sidx", head, struct.pack(">HHIII", 0, 1, reach, 0, 0))
            assert condition(walk(whole + sidx)) is expected


@pytest.mark.parametrize("name", ["fragmented.mp4", "oldfragments.mp4"])
def test_fragments_cut_anywhere_inside_a_box_are_truncated(walk: Walk, clips: Path, name: str) -> None:
    data = (clips / name).read_bytes()
    last = data.rindex(b"mdat") - 4
    assert condition(walk(data)) is Condition.INTACT
    assert condition(walk(data[:last])) is Condition.TRUNCATED  # the run is there, its data is not
    for cut in range(last + 9, last + 40):
        assert condition(walk(data[:cut])) is Condition.TRUNCATED


@pytest.mark.parametrize("name", ["plain.mp4", "faststart.mp4", "clip.mov", "sound.m4a", "clip.3gp"])
def test_no_cut_of_a_real_clip_is_called_intact(walk: Walk, clips: Path, name: str) -> None:
    data = (clips / name).read_bytes()
    for cut in [*range(16, len(data) - 8, max(1, len(data) // 60)), len(data) - 8, len(data) - 1]:
        found = walk(data[:cut])
        assert found is not None
        assert found.condition in (Condition.TRUNCATED, Condition.UNFINISHED), cut


def test_depth_costs_nothing(walk: Walk) -> None:
    nest = b""
    for _ in range(2000):
        nest = box(b"moov", nest) if len(nest) % 16 else box(b"trak", nest)
    assert condition(walk(FTYP + nest + box(b"mdat", bytes(8)))) in (Condition.TRUNCATED, Condition.UNKNOWN)


def test_the_number_of_boxes_is_bounded(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atoms, "MAX_BOXES", 100)
    found = walk(FTYP + box(b"free") * 1000)
    assert found is not None
    assert found.condition is Condition.UNKNOWN
    assert "100 boxes" in str(found.problem)


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_bytes(FTYP + box(b"free") * 1000)
    with path.open("rb") as file, pytest.raises(window.BudgetError):
        boxes.walk(window.Window(file.fileno(), reads=500))


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 10_000),
)
def test_no_damage_makes_the_walk_fail(
    walk: Walk, clips: Path, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray((clips / "faststart.mp4").read_bytes())
    for place, value in changes:
        data[place % 2000] = value
    found = walk(bytes(data[: max(1, len(data) - cut)]))
    assert found is None or isinstance(found, Structure)
