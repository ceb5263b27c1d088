"""The walks other than boxes: whole clips are intact, cut ones never are."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metadata.media.audio import adts_frame, mpeg_frame
from metadata.media.condition import INTACT, Condition, Structure

Walk = Callable[[bytes], Structure | None]
WALKED = (
    *("clip.avi", "clip.ts", "clip.m2ts", "clip.mpg", "clip.mkv", "clip.webm", "clip.flv"),
    *("sound.wav", "sound.mp3", "sound.aac", "still.jpg", "still.png"),
)


def condition(found: Structure | None) -> Condition:
    assert found is not None
    return found.condition


@pytest.mark.parametrize("name", WALKED)
def test_a_clip_that_lost_its_end_is_truncated(walk: Walk, clips: Path, name: str) -> None:
    data = (clips / name).read_bytes()
    assert walk(data) == INTACT
    # 7 is no multiple of a packet: between two packets a transport stream may well end.
    for cut in (len(data) // 2 // 188 * 188 + 7, len(data) * 9 // 10 // 188 * 188 + 7, len(data) - 3):
        found = walk(data[:cut])
        assert found is not None
        assert found.condition is Condition.TRUNCATED, (cut, found)
        assert found.problem


def test_a_sound_packet_cut_between_transport_packets_is_told(walk: Walk, clips: Path) -> None:
    data = (clips / "clip.ts").read_bytes()
    found = {condition(walk(data[:cut])) for cut in range(len(data) // 2 // 188 * 188, len(data), 188)}
    assert Condition.TRUNCATED in found


@pytest.mark.parametrize("name", ["clip.ts", "sound.mp3", "sound.aac"])
def test_bytes_that_are_out_of_step_are_not_intact(walk: Walk, clips: Path, name: str) -> None:
    data = bytearray((clips / name).read_bytes())
    middle = len(data) - 400
    data[middle : middle + 300] = b"\x55" * 300
    assert condition(walk(bytes(data))) is not Condition.INTACT


def test_a_recording_whose_lengths_were_never_written_is_unfinished(walk: Walk, clips: Path) -> None:
    avi = bytearray((clips / "clip.avi").read_bytes())
    movi = avi.index(b"movi")
    avi[4:8] = avi[movi - 4 : movi] = bytes(4)
    assert condition(walk(bytes(avi))) is Condition.UNFINISHED
    wav = bytearray((clips / "sound.wav").read_bytes())
    data = wav.index(b"data")
    wav[4:8] = wav[data + 4 : data + 8] = b"\xff" * 4
    assert condition(walk(bytes(wav))) is Condition.UNFINISHED
    mkv = bytearray((clips / "clip.mkv").read_bytes())
    segment = mkv.index(bytes.fromhex("18538067")) + 4
    mkv[segment : segment + 8] = bytes.fromhex("01ffffffffffffff")
    assert condition(walk(bytes(mkv))) is Condition.UNFINISHED


def test_the_64_bit_wave_form(walk: Walk, clips: Path) -> None:
    wav = (clips / "sound.wav").read_bytes()
    start = wav.index(b"data")
    samples = wav[start + 8 :]
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(wav) + 28, len(samples), 0, 0)
    head = b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + wav[12:start] + b"data" + b"\xff" * 4
    assert walk(head + samples) == INTACT
    assert condition(walk(head + samples[:-4])) is Condition.TRUNCATED


def test_headers_alone_are_truncated(walk: Walk) -> None:
    assert condition(walk(b"RIFF\4\0\0\0AVI ")) is Condition.TRUNCATED
    assert condition(walk(b"FLV\1\5\0\0\0\x09\0\0\0\0")) is Condition.TRUNCATED
    assert condition(walk(b"\xff\xd8\xff\xd9")) is Condition.TRUNCATED
    assert condition(walk(b"\x89PNG\r\n\x1a\n")) is Condition.TRUNCATED
    assert condition(walk(b"\x1a\x45\xdf\xa3\x80")) is Condition.TRUNCATED


def test_what_follows_the_end_marker_of_a_still_is_not_judged(walk: Walk, clips: Path) -> None:
    assert walk((clips / "still.jpg").read_bytes() + b"appended by a phone") == INTACT


def test_a_missing_pad_byte_is_forgiven(walk: Walk) -> None:
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", 16) + bytes(16) + struct.pack("<4sI", b"data", 3) + b"abc"
    assert walk(b"RIFF" + struct.pack("<I", len(body) + 1) + body) == INTACT


def test_formats_without_a_walk_stay_unknown(walk: Walk) -> None:
    assert condition(walk(b"OggS" + bytes(60))) is Condition.UNKNOWN


def test_frame_lengths() -> None:
    assert mpeg_frame(bytes.fromhex("fffb9064")) == 417  # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz
    assert mpeg_frame(bytes.fromhex("fff34064")) == 104  # MPEG-2 layer 3, 32 kbit/s, 22.05 kHz
    assert mpeg_frame(b"\xff\xff\xff\xff") == 0
    assert adts_frame(bytes.fromhex("fff150800bfffc")) == 0x5F
    assert adts_frame(bytes(7)) == 0


@settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(WALKED),
    changes=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=10),
    cut=st.integers(0, 3000),
)
def test_no_damage_makes_a_walk_fail(
    walk: Walk, clips: Path, name: str, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray((clips / name).read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    found = walk(bytes(data[: max(1, len(data) - cut)]))
    assert found is None or isinstance(found, Structure)
