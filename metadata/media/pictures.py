"""A poster and two suspicions from sampled pictures: how much is black, how much stands still."""

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from metadata.media.facts import clean
from metadata.media.sandbox import Limits, Sandbox, SandboxFailure

SAMPLES = 12
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class PictureFindings:
    """What the sampled pictures show. Hints for a person, never a verdict.

    `poster_jpeg` is at most 640 pixels wide and high. `black_share` is the share (0 to 1) of sampled pictures
    that are all but black; `frozen_share` the share of neighbouring samples that do not differ. Both are None
    when too few pictures could be read (one, respectively two).
    """

    poster_jpeg: bytes | None = None
    black_share: float | None = None
    frozen_share: float | None = None
    sampled_frames: int = 0
    problem: str | None = None


def examine(path: Path, limits: Limits | None = None, *, samples: int = SAMPLES) -> PictureFindings:
    """Decode up to `samples` pictures spread over a recording or a still, in a sandboxed child of its own.

    Never raises for bad media: `problem` tells what went wrong.
    """
    with Sandbox(limits if limits is not None else Limits()) as sandbox:
        try:
            answer = sandbox.call("pictures", path, samples=samples)
        except SandboxFailure as failure:
            return PictureFindings(problem=clean(str(failure)))
    found = answer.get("pictures")
    if not isinstance(found, dict):
        return PictureFindings(
            problem=clean(answer.get("problem")) or "the sandboxed parser gave no findings"
        )
    try:
        return _findings(found)
    except (ValueError, binascii.Error):
        return PictureFindings(problem="the sandboxed parser's answer was not understood")


def _findings(found: Mapping[str, object]) -> PictureFindings:
    """Return the child's answer after checking it: the child may have been taken over."""
    poster = found.get("poster")
    jpeg = base64.b64decode(poster, validate=True) if isinstance(poster, str) else None
    count = found.get("sampled")
    if (jpeg is not None and not jpeg.startswith(_JPEG)) or not isinstance(count, int) or count < 0:
        raise ValueError("findings")
    return PictureFindings(
        poster_jpeg=jpeg,
        black_share=_share(found.get("black")),
        frozen_share=_share(found.get("frozen")),
        sampled_frames=count,
        problem=clean(found.get("problem")),
    )


def _share(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise ValueError("share")
    return float(value)
