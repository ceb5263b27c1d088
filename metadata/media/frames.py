"""Sampling of decoded pictures with OpenCV. Runs inside the sandboxed child only."""

import base64
import os
import time
from collections.abc import Iterator
from typing import Any

# Read by OpenCV when it opens a file: only these readers, only this one file, one thread, no noise.
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = (
    "protocol_whitelist;file|format_whitelist;mov,avi,mpegts,mpeg,matroska,flv,asf|threads;1"
)
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(2**27)

import cv2
import numpy as np

from metadata.media import inspection, sniff
from metadata.media.window import Window

Picture = np.ndarray[Any, Any]

_EDGE = 640
_SMALL = (160, 90)
_QUALITY = 80
# Mean brightness (0 to 255) of a picture taken with the lens covered; sensor noise stays below.
_BLACK_MEAN = 16.0
# Mean difference (0 to 255) between two samples of a hanging sensor: only coding noise is left.
_FROZEN_DIFFERENCE = 0.5
_MAX_STILL_BYTES = 64 * 1024 * 1024
_STILLS = frozenset({sniff.JPEG.name, sniff.PNG.name})
_MAX_SAMPLES = 64


def examine(path: str, *, seconds: float, samples: int) -> dict[str, object]:
    """Return ``poster`` (base64 JPEG), ``black``, ``frozen`` (shares), ``sampled`` and ``problem`` as JSON.

    Sampling stops after `seconds`; what was read until then counts.
    """
    cv2.setNumThreads(1)
    try:
        fd = inspection.open_regular(path)
    except OSError as error:
        return {"sampled": 0, "problem": f"the file cannot be opened: {error.strerror or error}"}
    try:
        window = Window(fd)
        kind = sniff.sniff(window)
        if kind is None:
            return {"sampled": 0, "problem": "no format with pictures was recognised"}
        if kind.name in _STILLS:
            return _judge(_still(window))
        return _judge(_sampled(fd, seconds=seconds, samples=max(1, min(samples, _MAX_SAMPLES))))
    except cv2.error as error:
        return {"sampled": 0, "problem": f"OpenCV gave up: {error.err}"}
    finally:
        os.close(fd)


def _still(window: Window) -> Iterator[Picture]:
    if window.size <= _MAX_STILL_BYTES:
        picture = cv2.imdecode(np.frombuffer(window.at(0, window.size), np.uint8), cv2.IMREAD_COLOR)
        if picture is not None:
            yield picture


def _sampled(fd: int, *, seconds: float, samples: int) -> Iterator[Picture]:
    """Yield pictures from the middle of equal parts of the recording."""
    deadline = time.monotonic() + seconds
    # Through the descriptor: names may hold bytes that OpenCV cannot take, and this is the file we looked at.
    capture = cv2.VideoCapture(f"/proc/self/fd/{fd}", cv2.CAP_FFMPEG)
    try:
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        wanted = (
            [total * (2 * part + 1) // (2 * samples) for part in range(samples)] if total > samples else None
        )
        for number in range(samples):
            if wanted is not None:
                capture.set(cv2.CAP_PROP_POS_FRAMES, wanted[number])
            good, picture = capture.read()
            if good and picture is not None:
                yield picture
            elif wanted is None:
                return
            if time.monotonic() > deadline:
                return
    finally:
        capture.release()


def _judge(pictures: Iterator[Picture]) -> dict[str, object]:
    poster: Picture | None = None
    poster_spread = -1.0
    black = frozen = count = 0
    before: Picture | None = None
    for picture in pictures:
        count += 1
        small = cv2.cvtColor(cv2.resize(picture, _SMALL, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        black += float(small.mean()) < _BLACK_MEAN
        if before is not None:
            frozen += float(cv2.absdiff(small, before).mean()) < _FROZEN_DIFFERENCE
        before = small
        # The widest spread of brightness shows most: not the black lead-in, not the white sky.
        spread = float(small.std())
        if spread > poster_spread:
            poster, poster_spread = _shrunk(picture), spread
    return {
        "sampled": count,
        "poster": _encoded(poster) if poster is not None else None,
        "black": black / count if count else None,
        "frozen": frozen / (count - 1) if count > 1 else None,
        "problem": None if count else "no picture could be decoded",
    }


def _shrunk(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = _EDGE / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _encoded(picture: Picture) -> str | None:
    good, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return base64.b64encode(data.tobytes()).decode() if good else None
