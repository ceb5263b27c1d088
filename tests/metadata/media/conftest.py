"""Small real clips of every format we walk, made by ffmpeg once per run."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metadata.media import sniff
from metadata.media.condition import Structure
from metadata.media.probe import Prober
from metadata.media.window import Window
from tests.support.lacking import lacking

_PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=1"]
_SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"]
_H264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5"]
_IDENTITY = [
    *("-metadata", "creation_time=2026-03-04T05:06:07Z"),
    *("-metadata", "make=Acme", "-metadata", "model=Bodycam 9"),
]

# name -> (inputs, options)
_RECIPES: dict[str, tuple[list[str], list[str]]] = {
    "plain.mp4": (_PICTURES + _SOUND, [*_H264, "-c:a", "aac"]),
    "faststart.mp4": (_PICTURES + _SOUND, [*_H264, "-c:a", "aac", "-movflags", "faststart"]),
    "fragmented.mp4": (_PICTURES, [*_H264, "-movflags", "frag_keyframe+empty_moov+default_base_moof"]),
    "oldfragments.mp4": (_PICTURES, [*_H264, "-movflags", "frag_keyframe+empty_moov"]),
    "clip.mov": (
        _PICTURES,
        [*_H264, "-movflags", "use_metadata_tags", *_IDENTITY],
    ),
    "clip.3gp": (_PICTURES, ["-c:v", "mpeg4"]),
    "sound.m4a": (_SOUND, ["-c:a", "aac"]),
    "clip.avi": (_PICTURES + _SOUND, ["-c:v", "mjpeg", "-c:a", "pcm_s16le"]),
    "clip.ts": (_PICTURES + _SOUND, [*_H264, "-c:a", "aac"]),
    "clip.m2ts": (_PICTURES + _SOUND, [*_H264, "-c:a", "aac", "-mpegts_m2ts_mode", "1"]),
    "clip.mpg": (_PICTURES, ["-r", "25", "-c:v", "mpeg2video"]),
    "clip.mkv": (_PICTURES, _H264),
    "clip.webm": (_PICTURES, ["-c:v", "libvpx"]),
    "clip.flv": (_PICTURES, ["-c:v", "flv"]),
    "sound.wav": (_SOUND, []),
    "sound.mp3": (_SOUND, ["-c:a", "libmp3lame"]),
    "sound.aac": (_SOUND, ["-c:a", "aac"]),
    "still.jpg": (_PICTURES, ["-frames:v", "1"]),
    "still.png": (_PICTURES, ["-frames:v", "1"]),
    "black.mp4": (["-f", "lavfi", "-i", "color=black:size=96x64:rate=10:duration=3"], _H264),
    "moving.mp4": (["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=10:duration=3"], _H264),
}


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds one small clip per recipe."""
    if shutil.which("ffmpeg") is None:
        lacking("ffmpeg is not installed")
    folder = tmp_path_factory.mktemp("clips")
    for name, (inputs, options) in _RECIPES.items():
        command = ["ffmpeg", "-v", "error", "-nostdin", *inputs, *options, "-y", str(folder / name)]
        subprocess.run(command, check=True, timeout=60)
    return folder


@pytest.fixture(scope="session")
def shared_prober() -> Iterator[Prober]:
    """Return one prober for every test that does not harm it."""
    with Prober() as prober:
        yield prober


@pytest.fixture
def walk(tmp_path: Path) -> Callable[[bytes], Structure | None]:
    """Return a function that sniffs and walks bytes, None when they are not recognised."""

    def run(data: bytes) -> Structure | None:
        path = tmp_path / "bytes"
        path.write_bytes(data)
        fd = os.open(path, os.O_RDONLY)
        try:
            window = Window(fd)
            kind = sniff.sniff(window)
            return kind.walk(window) if kind is not None else None
        finally:
            os.close(fd)

    return run


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that puts a stand-in ``ffprobe`` with this shell body first on PATH."""

    def install(body: str) -> Path:
        folder = tmp_path / "tools"
        folder.mkdir(exist_ok=True)
        script = folder / "ffprobe"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return script

    return install
