from pathlib import Path

import pytest

from metadata.media.probe import Condition, Prober

EXPECTED = {
    "plain.mp4": ("mp4", "video/mp4"),
    "faststart.mp4": ("mp4", "video/mp4"),
    "fragmented.mp4": ("mp4", "video/mp4"),
    "oldfragments.mp4": ("mp4", "video/mp4"),
    "clip.mov": ("mov", "video/quicktime"),
    "clip.3gp": ("3gp", "video/3gpp"),
    "sound.m4a": ("m4a", "audio/mp4"),
    "clip.avi": ("avi", "video/x-msvideo"),
    "clip.ts": ("mpegts", "video/mp2t"),
    "clip.m2ts": ("mpegts", "video/mp2t"),
    "clip.mpg": ("mpeg", "video/mpeg"),
    "clip.mkv": ("matroska", "video/x-matroska"),
    "clip.webm": ("webm", "video/webm"),
    "clip.flv": ("flv", "video/x-flv"),
    "sound.wav": ("wav", "audio/wav"),
    "sound.mp3": ("mp3", "audio/mpeg"),
    "sound.aac": ("aac", "audio/aac"),
    "still.jpg": ("jpeg", "image/jpeg"),
    "still.png": ("png", "image/png"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_content_decides_and_a_whole_clip_is_intact(
    clips: Path, shared_prober: Prober, tmp_path: Path, name: str
) -> None:
    misnamed = tmp_path / "clip.bin"
    misnamed.write_bytes((clips / name).read_bytes())
    probe = shared_prober.probe(misnamed)
    assert (probe.container, probe.media_type) == EXPECTED[name]
    assert (probe.condition, probe.problem) == (Condition.INTACT, None)
    assert probe.tool == "ffprobe"
    assert probe.streams


@pytest.mark.parametrize(
    "data",
    [
        b"1\n00:00:00,000 --> 00:00:01,000\nFrameCnt: 1\n",
        '{"时间": "2026"}'.encode(),
        "时间,速度\n".encode("gb18030"),
        "﻿a".encode("utf-16"),
    ],
)
def test_text_side_files_are_not_media(shared_prober: Prober, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    probe = shared_prober.probe(path)
    assert (probe.condition, probe.media_type) == (Condition.NOT_MEDIA, "text/plain")


def test_unknown_bytes_are_not_media(shared_prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)) * 64)
    probe = shared_prober.probe(path)
    assert (probe.condition, probe.media_type) == (Condition.NOT_MEDIA, "application/octet-stream")


def test_reserved_space_is_told(shared_prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(100_000))
    probe = shared_prober.probe(path)
    assert (probe.condition, "zeros" in str(probe.problem)) == (Condition.NOT_MEDIA, True)


def test_an_empty_file_is_empty(shared_prober: Prober, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    assert shared_prober.probe(path).condition is Condition.EMPTY
