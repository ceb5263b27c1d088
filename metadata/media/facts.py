"""What a probe found, as plain data that survives a trip through JSON from an untrusted child."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Self

from metadata.media.condition import Condition

MAX_TEXT = 256
MAX_STREAMS = 64
# Ten years: anything above is not a recording but an attack or a broken index.
MAX_DURATION = timedelta(days=3653)
_MAX_NUMBER = 2**31 - 1
_MICROSECOND = timedelta(microseconds=1)


def clean(text: object) -> str | None:
    """Return text from outside as one printable line of at most `MAX_TEXT` characters, None when empty."""
    if not isinstance(text, str):
        return None
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * MAX_TEXT])
    return " ".join(line.split())[:MAX_TEXT] or None


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a container. `kind` is video, audio, subtitle, data or attachment; sizes in pixels."""

    index: int
    kind: str
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: Fraction | None = None
    sample_rate: int | None = None
    channels: int | None = None
    duration: timedelta | None = None

    def to_json(self) -> dict[str, object]:
        """Return the stream as JSON; unknown fields are left out, `duration_us` is microseconds."""
        values: dict[str, object | None] = {
            "index": self.index,
            "kind": self.kind,
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
            "frame_rate": str(self.frame_rate) if self.frame_rate is not None else None,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "duration_us": _microseconds(self.duration),
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the stream that `to_json` wrote. Raises `ValueError` for anything else."""
        data = _mapping(value)
        return cls(
            index=_number(data, "index") or 0,
            kind=_text(data, "kind") or "data",
            codec=_text(data, "codec"),
            width=_number(data, "width"),
            height=_number(data, "height"),
            frame_rate=_rate(data),
            sample_rate=_number(data, "sample_rate"),
            channels=_number(data, "channels"),
            duration=_duration(data),
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file says of itself. Everything here is a claim of the file, and nothing was decoded.

    `tool` and `version` name who read the streams (``structure`` when only our own walk ran); `container` is
    a short format name, `media_type` a MIME type sniffed from the content. `created` is the container's own
    time, aware UTC; None when it states no time zone. `problem` is one plain English sentence, or None.
    """

    tool: str
    version: str | None
    container: str | None
    duration: timedelta | None
    streams: tuple[Stream, ...]
    condition: Condition
    media_type: str = "application/octet-stream"
    created: datetime | None = None
    make: str | None = None
    model: str | None = None
    problem: str | None = None

    @classmethod
    def failed(cls, problem: str) -> Self:
        """Return the probe of a file about which nothing could be found out."""
        return cls("structure", None, None, None, (), Condition.UNKNOWN, problem=clean(problem))

    def to_json(self) -> dict[str, object]:
        """Return the probe as JSON: `duration_us` in microseconds, `created` RFC 3339 UTC, None as null."""
        return {
            "tool": self.tool,
            "version": self.version,
            "container": self.container,
            "duration_us": _microseconds(self.duration),
            "streams": [stream.to_json() for stream in self.streams],
            "condition": self.condition.value,
            "media_type": self.media_type,
            "created": _rfc3339(self.created) if self.created is not None else None,
            "make": self.make,
            "model": self.model,
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the probe that `to_json` wrote.

        The value may come from a child that was taken over: types, lengths and counts are checked, and
        `ValueError` is raised for anything `to_json` could not have written.
        """
        data = _mapping(value)
        streams = data.get("streams")
        if not isinstance(streams, list) or len(streams) > MAX_STREAMS:
            raise ValueError("streams")
        return cls(
            tool=_text(data, "tool") or "structure",
            version=_text(data, "version"),
            container=_text(data, "container"),
            duration=_duration(data),
            streams=tuple(Stream.from_json(stream) for stream in streams),
            condition=Condition(str(data.get("condition"))),
            media_type=_text(data, "media_type") or "application/octet-stream",
            created=_moment(data),
            make=_text(data, "make"),
            model=_text(data, "model"),
            problem=_text(data, "problem"),
        )


def _microseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // _MICROSECOND


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 (one error type for everything malformed)
    return value


def _text(data: Mapping[str, object], name: str) -> str | None:
    value = data.get(name)
    if value is not None and (not isinstance(value, str) or value != clean(value)):
        raise ValueError(name)
    return value


def _number(data: Mapping[str, object], name: str) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError(name)
    return value


def _duration(data: Mapping[str, object]) -> timedelta | None:
    value = data.get("duration_us")
    if value is None:
        return None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not 0 <= value <= MAX_DURATION // _MICROSECOND
    ):
        raise ValueError("duration_us")
    return timedelta(microseconds=value)


def _rate(data: Mapping[str, object]) -> Fraction | None:
    text = _text(data, "frame_rate")
    if text is None:
        return None
    parts = text.split("/")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):  # noqa: PLR2004 (a fraction)
        raise ValueError("frame_rate")
    numbers = [int(part) for part in parts]
    if numbers[-1] == 0:
        raise ValueError("frame_rate")
    return Fraction(*numbers)


def _moment(data: Mapping[str, object]) -> datetime | None:
    text = _text(data, "created")
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("created")
    return moment.astimezone(UTC)
