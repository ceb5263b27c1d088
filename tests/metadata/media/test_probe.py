import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from metadata.media.ffprobe import DEMUXERS
from metadata.media.probe import Condition, Limits, Prober

Tool = Callable[[str], Path]


def test_streams_length_time_and_recorder(clips: Path, shared_prober: Prober) -> None:
    probe = shared_prober.probe(clips / "clip.mov")
    assert probe.duration == timedelta(seconds=1)
    assert probe.created == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert (probe.make, probe.model) == ("Acme", "Bodycam 9")
    (video,) = probe.streams
    assert (video.kind, video.codec, video.width, video.height) == ("video", "h264", 96, 64)
    assert video.frame_rate == Fraction(10)
    assert probe.version
    both = shared_prober.probe(clips / "plain.mp4").streams
    assert [(stream.kind, stream.sample_rate, stream.channels) for stream in both] == [
        ("video", None, None),
        ("audio", 44100, 1),
    ]


def test_a_cut_clip_keeps_what_can_still_be_read(clips: Path, shared_prober: Prober, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((clips / "faststart.mp4").read_bytes()[:-200])
    probe = shared_prober.probe(cut)
    assert probe.condition is Condition.TRUNCATED
    assert probe.duration == timedelta(seconds=1)  # what the index claims: ffprobe sees nothing wrong
    assert "ends at byte" in str(probe.problem)


def test_names_that_are_not_text_and_names_that_look_like_options(
    clips: Path, shared_prober: Prober, tmp_path: Path
) -> None:
    for name in (b"\xff\xfe clip.mp4", b"-version", b"http:x.mp4", "执法记录%03d.mp4".encode(), b"a\nb.mp4"):
        path = tmp_path / os.fsdecode(name)
        shutil.copy(clips / "plain.mp4", path)
        assert shared_prober.probe(path).condition is Condition.INTACT, name


def test_a_relative_path_is_ours_not_the_childs(
    clips: Path, shared_prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clips)
    assert shared_prober.probe(Path("plain.mp4")).condition is Condition.INTACT


def test_only_regular_files_are_opened(shared_prober: Prober, tmp_path: Path) -> None:
    fifo = tmp_path / "clip.mp4"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.mp4"))
        for path in (fifo, tmp_path / "socket.mp4", tmp_path, Path("/dev/zero")):
            probe = shared_prober.probe(path)
            assert probe.condition is Condition.UNKNOWN
            assert probe.problem == "the file cannot be opened: not a regular file"


def test_a_file_that_cannot_be_opened_is_told(shared_prober: Prober, tmp_path: Path) -> None:
    assert "No such file" in str(shared_prober.probe(tmp_path / "gone.mp4").problem)
    assert shared_prober.probe(Path("/bad\0name")).condition is Condition.UNKNOWN


def test_without_ffprobe_the_structure_still_speaks(
    clips: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    noise = tmp_path / "noise.bin"
    noise.write_bytes(bytes(range(256)))
    with Prober() as prober:
        whole = prober.probe(clips / "plain.mp4")
        unknown = prober.probe(noise)
    assert (whole.condition, whole.problem) == (Condition.INTACT, "ffprobe is not installed")
    assert (whole.tool, whole.version, whole.streams) == ("structure", None, ())
    assert (unknown.condition, unknown.problem) == (Condition.UNKNOWN, "ffprobe is not installed")


def test_when_ffprobe_refuses_the_structure_alone_is_no_proof(clips: Path, tool: Tool) -> None:
    tool('echo "file:$0: moov atom odd" >&2; exit 1')
    with Prober() as prober:
        probe = prober.probe(clips / "plain.mp4")
    assert probe.condition is Condition.UNKNOWN
    assert "moov atom odd" in str(probe.problem)


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        "{",
        "null",
        '{"format": 7, "streams": "x"}',
        '{"streams": [null, 7, {"width": "many", "height": -1, "avg_frame_rate": "1/0", "tags": []}]}',
        '{"format": {"duration": "nan", "tags": {"creation_time": "9999-12-31T23:59:59-23:59"}}}',
        '{"format": {"duration": "1e300", "tags": {"make": "\\u001b[2J\\u0000"}}, "streams": [{}]}',
        "[" * 100_000,
    ],
)
def test_odd_answers_of_ffprobe_harm_nobody(clips: Path, tool: Tool, tmp_path: Path, answer: str) -> None:
    (tmp_path / "answer").write_text(answer)
    tool(f"cat '{tmp_path / 'answer'}'")
    with Prober() as prober:
        probe = prober.probe(clips / "plain.mp4")
        assert probe.condition in (Condition.INTACT, Condition.UNKNOWN)
        assert probe.duration is None
        assert probe.make in (None, "[2J")  # the escape itself is gone
        assert probe.created is None


def playlists(folder: Path) -> dict[str, bytes]:
    target = str(folder / "target.mp4")
    return {
        "concat": f"ffconcat version 1.0\nfile {target}\n".encode(),
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n".encode(),
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}"/></svg>'.encode(),
        "dash": f'<?xml version="1.0"?><MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>'.encode(),
    }


@pytest.mark.parametrize("kind", ["concat", "m3u8", "svg", "dash"])
@pytest.mark.parametrize("tail", [b"", b"\0"], ids=["text", "not quite text"])
def test_a_script_named_like_a_clip_is_not_followed(
    clips: Path, shared_prober: Prober, tmp_path: Path, kind: str, tail: bytes
) -> None:
    shutil.copy(clips / "plain.mp4", tmp_path / "target.mp4")
    script = tmp_path / "clip.mp4"
    script.write_bytes(playlists(tmp_path)[kind] + tail)
    probe = shared_prober.probe(script)
    assert (probe.condition, probe.streams, probe.duration) == (Condition.NOT_MEDIA, (), None)


def test_plain_ffprobe_would_follow_it(clips: Path, tmp_path: Path) -> None:
    shutil.copy(clips / "plain.mp4", tmp_path / "target.mp4")
    script = tmp_path / "clip.mp4"
    script.write_bytes(b"ffconcat version 1.0\nfile target.mp4\n")
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(script)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    assert len(found["streams"]) == 2


def test_the_readers_allowed_open_nothing_else() -> None:
    assert DEMUXERS
    reaching = {
        "hls",
        "concat",
        "concatf",
        "dash",
        "tty",
        "image2",
        "image2pipe",
        "sdp",
        "rtsp",
        "imf",
        "lavfi",
    }
    assert not reaching & set(DEMUXERS)


@pytest.mark.parametrize("installed", [False, True], ids=["checkout", "installed"])
def test_it_works_from_any_folder(
    clips: Path, tmp_path: Path, project_root: Path, *, installed: bool
) -> None:
    root = project_root
    if installed:
        root = tmp_path / "site"
        (root / "metadata").mkdir(parents=True)
        shutil.copy(project_root / "metadata" / "__init__.py", root / "metadata")
        shutil.copytree(project_root / "metadata" / "media", root / "metadata" / "media")
    # A module of the same name in the working folder must not be picked up.
    (tmp_path / "metadata.py").write_text("raise SystemExit('wrong module')")
    (tmp_path / "ffmpeg.py").write_text("raise SystemExit('wrong module')")
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from pathlib import Path\n"
        "from metadata.media.probe import Prober\n"
        f"with Prober() as prober: print(prober.probe(Path({str(clips / 'plain.mp4')!r})).to_json())\n"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert "'condition': 'intact'" in done.stdout
    assert "'tool': 'ffprobe'" in done.stdout


def test_a_closed_prober_says_so(clips: Path) -> None:
    prober = Prober(Limits(timeout=timedelta(seconds=5)))
    prober.close()
    with pytest.raises(ValueError, match="closed"):
        prober.probe(clips / "plain.mp4")
