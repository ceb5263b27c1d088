import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from metadata.media.pictures import PictureFindings, _findings, examine
from metadata.media.sandbox import Limits


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the frame header of a baseline JPEG."""
    at = data.index(b"\xff\xc0")
    return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")


def test_a_moving_clip_gives_a_poster_of_bounded_size(clips: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = examine(clips / "moving.mp4")
    assert found.poster_jpeg is not None
    assert jpeg_size(found.poster_jpeg) == (640, 360)
    assert (found.black_share, found.frozen_share, found.problem) == (0.0, 0.0, None)
    assert found.sampled_frames == 12
    assert capfd.readouterr() == ("", "")


def test_a_covered_lens_is_black_and_frozen(clips: Path) -> None:
    found = examine(clips / "black.mp4", samples=5)
    assert (found.black_share, found.frozen_share, found.sampled_frames) == (1.0, 1.0, 5)


def test_a_still_is_its_own_poster(clips: Path) -> None:
    found = examine(clips / "still.jpg")
    assert found.poster_jpeg is not None
    assert jpeg_size(found.poster_jpeg) == (96, 64)
    assert (found.sampled_frames, found.frozen_share) == (1, None)


def test_names_that_are_not_text(clips: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    shutil.copy(clips / "plain.mp4", path)
    assert examine(path).sampled_frames == 10  # all that it has


@pytest.mark.parametrize("name", ["sound.wav", "cut", "fifo", "gone", "concat", "empty"])
def test_what_has_no_pictures_is_told(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / "clip.mp4"
    if name == "fifo":
        os.mkfifo(path)
    elif name == "cut":
        path.write_bytes((clips / "plain.mp4").read_bytes()[:300])
    elif name == "concat":
        shutil.copy(clips / "plain.mp4", tmp_path / "target.mp4")
        path.write_text("ffconcat version 1.0\nfile target.mp4\n")
    elif name == "empty":
        path.touch()
    elif name != "gone":
        shutil.copy(clips / name, path)
    found = examine(path)
    assert (found.poster_jpeg, found.black_share, found.frozen_share, found.sampled_frames) == (
        None,
        None,
        None,
        0,
    )
    assert found.problem
    assert capfd.readouterr() == ("", "")


def test_limits_hold_here_too(clips: Path) -> None:
    assert "longer than" in str(
        examine(clips / "moving.mp4", Limits(timeout=timedelta(milliseconds=20))).problem
    )
    assert examine(clips / "moving.mp4", Limits(memory_bytes=64 * 1024**2)).problem


@pytest.mark.parametrize(
    "answer",
    [
        {"sampled": -1},
        {"sampled": "12"},
        {"sampled": 1, "poster": "###"},
        {"sampled": 1, "poster": "bm90IGEgSlBFRw=="},
        {"sampled": 1, "black": 7},
        {"sampled": 1, "frozen": float("nan")},
    ],
)
def test_answers_of_a_taken_over_child_are_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any malformed field)
        _findings(answer)


def test_an_honest_answer_is_taken() -> None:
    assert _findings({"sampled": 2, "black": 0.5, "frozen": 1, "problem": None}) == PictureFindings(
        None, 0.5, 1.0, 2, None
    )
