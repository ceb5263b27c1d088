"""The probe of one file, as the child does it: sniff, walk the structure, ask ffprobe."""

import math
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from metadata.media import exif, sniff
from metadata.media.condition import Condition, Structure, unknown
from metadata.media.facts import MAX_DURATION, MAX_STREAMS, Probe, Stream, clean
from metadata.media.window import BudgetError, Window

# AVPROBE_SCORE_RETRY of FFmpeg: at or below it, ffprobe itself calls its recognition a guess.
_GUESS = 25
_HEAD = 4096
_UNSET_YEAR = 1971
_TIME_TAGS = ("com.apple.quicktime.creationdate", "creation_time")
_MAKE_TAGS = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
_MODEL_TAGS = ("com.apple.quicktime.model", "com.android.model", "model")


def open_regular(path: str) -> int:
    """Return a descriptor of a regular file. Raises `OSError`, also for pipes, devices and folders.

    The type is looked at before opening: opening a device or a pipe can already have an effect.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("not a regular file")
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("not a regular file")
    return fd


def probe(path: str, *, seconds: float, output_bytes: int) -> Probe:
    """Return what is known of the file at an absolute path; `seconds` and `output_bytes` bound ffprobe."""
    try:
        fd = open_regular(path)
    except OSError as error:
        return Probe.failed(f"the file cannot be opened: {error.strerror or error}")
    try:
        return _probe(Window(fd), path, seconds=seconds, output_bytes=output_bytes)
    except OSError as error:
        return Probe.failed(f"the file cannot be read: {error.strerror or error}")
    finally:
        os.close(fd)


def _probe(window: Window, path: str, *, seconds: float, output_bytes: int) -> Probe:
    if window.size == 0:
        return _without_tool(Condition.EMPTY)
    kind = sniff.sniff(window)
    if kind is None:
        if sniff.looks_like_text(window):
            return replace(_without_tool(Condition.NOT_MEDIA), media_type="text/plain")
        found = _unrecognised(path, seconds=seconds, output_bytes=output_bytes)
        # A power cut leaves reserved clusters behind: worth telling from any other unknown file.
        reserved = found.condition is Condition.NOT_MEDIA and not any(window.at(0, _HEAD))
        return (
            replace(found, problem="it starts with zeros, like space never written to") if reserved else found
        )
    try:
        structure = kind.walk(window)
    except BudgetError:
        structure = unknown("the structure asks for more reading than a recording needs")
    found = replace(
        _without_tool(structure.condition),
        container=kind.name,
        media_type=kind.media_type,
        problem=clean(structure.problem),
    )
    if kind is sniff.JPEG:
        make, model, created = exif.read(window)
        found = replace(found, make=clean(make), model=clean(model), created=created)
    if kind.demuxer is None:
        return found
    return _with_streams(
        found, structure, path, demuxer=kind.demuxer, seconds=seconds, output_bytes=output_bytes
    )


def _without_tool(condition: Condition) -> Probe:
    return Probe("structure", None, None, None, (), condition)


def _with_streams(
    found: Probe, structure: Structure, path: str, *, demuxer: str, seconds: float, output_bytes: int
) -> Probe:
    """Add what ffprobe says; where the two disagree, an intact structure is no longer called intact."""
    try:
        from metadata.media import ffprobe  # noqa: PLC0415 (ffmpeg-python may be missing: the walk stands alone)

        answer = ffprobe.ask(path, demuxer=demuxer, seconds=seconds, output_bytes=output_bytes)
    except ImportError as error:
        return replace(found, problem=found.problem or _unusable(error))
    except ffprobe.FfprobeError as error:
        doubted = error.refused and structure.condition is Condition.INTACT
        return replace(
            found,
            condition=Condition.UNKNOWN if doubted else found.condition,
            problem=found.problem or clean(str(error)),
        )
    found = _merge(found, answer)
    if not found.streams and found.condition is Condition.INTACT:
        return replace(found, condition=Condition.UNKNOWN, problem="ffprobe finds no stream")
    return found


def _unrecognised(path: str, *, seconds: float, output_bytes: int) -> Probe:
    """Let ffprobe look at bytes that we do not know."""
    missing = _without_tool(Condition.UNKNOWN)
    try:
        from metadata.media import ffprobe  # noqa: PLC0415 (as above)

        answer = ffprobe.ask(path, demuxer=None, seconds=seconds, output_bytes=output_bytes)
    except ImportError as error:
        return replace(missing, problem=_unusable(error))
    except ffprobe.FfprobeError as error:
        if error.refused:
            return _without_tool(Condition.NOT_MEDIA)
        return replace(missing, problem=clean(str(error)))
    shape = _mapping(answer.get("format"))
    score = shape.get("probe_score")
    found = _merge(missing, answer)
    if not isinstance(score, int) or score <= _GUESS or not found.streams:
        return _without_tool(Condition.NOT_MEDIA)
    name = clean(shape.get("format_name"))
    container = name.split(",")[0] if name else None
    return replace(found, container=container, problem="the structure of this format is not checked")


def _unusable(error: ImportError) -> str:
    missing = isinstance(error, ModuleNotFoundError) and error.name == "ffmpeg"
    return f"ffmpeg-python {'is not installed' if missing else 'cannot be loaded'}"


def _merge(found: Probe, answer: Mapping[str, Any]) -> Probe:
    shape = _mapping(answer.get("format"))
    still = found.media_type.startswith("image/")
    streams = answer.get("streams")
    raw = [_mapping(stream) for stream in streams[:MAX_STREAMS]] if isinstance(streams, list) else []
    tags = {str(key).lower(): value for key, value in _mapping(shape.get("tags")).items()}
    for stream in raw:
        for key, value in _mapping(stream.get("tags")).items():
            tags.setdefault(str(key).lower(), value)
    return replace(
        found,
        tool="ffprobe",
        version=clean(_mapping(answer.get("program_version")).get("version")),
        duration=_seconds(shape.get("duration")),
        streams=tuple(_stream(number, stream, still=still) for number, stream in enumerate(raw)),
        created=found.created or next((time for tag in _TIME_TAGS if (time := _time(tags.get(tag)))), None),
        make=found.make or next((text for tag in _MAKE_TAGS if (text := clean(tags.get(tag)))), None),
        model=found.model or next((text for tag in _MODEL_TAGS if (text := clean(tags.get(tag)))), None),
    )


def _stream(number: int, raw: Mapping[str, Any], *, still: bool) -> Stream:
    return Stream(
        index=number,
        kind=clean(raw.get("codec_type")) or "data",
        codec=clean(raw.get("codec_name")) or clean(raw.get("codec_tag_string")),
        width=_number(raw.get("width")),
        height=_number(raw.get("height")),
        # For stills ffprobe makes up 25 pictures a second.
        frame_rate=None if still else _rate(raw.get("avg_frame_rate")) or _rate(raw.get("r_frame_rate")),
        sample_rate=_number(raw.get("sample_rate")),
        channels=_number(raw.get("channels")),
        duration=_seconds(raw.get("duration")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    """Return a positive count that may have come as text; ffprobe writes 0 for "not known"."""
    try:
        number = int(str(value)[:12])
    except ValueError:
        return None
    return number if 0 < number < 2**31 else None


def _rate(value: object) -> Fraction | None:
    over, _, under = str(value)[:32].partition("/")
    numerator, denominator = _number(over), _number(under or "1")
    return Fraction(numerator, denominator) if numerator and denominator else None


def _seconds(value: object) -> timedelta | None:
    try:
        seconds = float(str(value)[:32])
    except ValueError:
        return None
    if not math.isfinite(seconds) or not 0 <= seconds <= MAX_DURATION.total_seconds():
        return None
    return timedelta(seconds=seconds)


def _time(value: object) -> datetime | None:
    """Return an aware time; text without a time zone is no time, nor is an unset clock (1904, 1970)."""
    text = clean(value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _UNSET_YEAR else None
